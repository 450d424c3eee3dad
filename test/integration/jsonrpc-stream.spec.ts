import { once } from 'node:events';
import { type Socket } from 'node:net';
import { createParser } from 'eventsource-parser';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { A2AError, type CallContext } from '#protocol';
import { deferred, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';
import { deafStream, statusEvent } from '../support/scripted-streams.js';

let server: ScriptedServer;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  server = await startScriptedServer({ keepAliveMs: 25, streamStallMs: 100, maxStreams: 2, drainMs: 5_000 });
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
});

const subscribe = { jsonrpc: '2.0', id: 'sub-1', method: 'SubscribeToTask', params: { id: 't-1' } };

function open(json: unknown = subscribe, headers: Record<string, string> = {}): Socket {
  const socket = server.open(json, { headers });
  sockets.push(socket);
  return socket;
}

/** Reads until `pattern` is there; gives all that came so far. */
async function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  let text = '';
  while (!pattern.test(text)) text += String((await once(socket, 'data'))[0]);
  return text;
}

/** The end of a chunked body. */
const LAST_CHUNK = '\r\n0\r\n\r\n';
const END = /\r\n0\r\n\r\n$/;

describe('an event stream', () => {
  it('has the headers of one, and an event with its number and envelope for every message', async () => {
    server.script.subscribeToTask = async function* () {
      yield statusEvent(3);
      yield statusEvent(4);
    };
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
      body: JSON.stringify(subscribe),
    });

    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const text = await response.text();
    const lines = text.split('\n').filter((line) => !line.startsWith(':'));
    expect(lines.filter((line) => line.startsWith('data:'))).toHaveLength(2);
    const events: { id?: string; event?: string; data: string }[] = [];
    createParser({ onEvent: (event) => events.push(event) }).feed(text);
    expect(events.map(({ id, event }) => ({ id, event }))).toEqual([
      { id: '3', event: undefined },
      { id: '4', event: undefined },
    ]);
    expect(JSON.parse(events[0]!.data)).toEqual({
      jsonrpc: '2.0',
      id: 'sub-1',
      result: { statusUpdate: { taskId: 't-1', contextId: 'c' } },
    });
  });

  it('of a task that has no more events is empty and ends', async () => {
    server.script.subscribeToTask = async function* () {
      return;
    };
    expect(await readUntil(open(), END)).toMatch(/^HTTP\/1\.1 200 [\s\S]*text\/event-stream/);
  });

  it('echoes activated extensions in its headers', async () => {
    server.script.subscribeToTask = async function* () {
      yield statusEvent(1);
    };
    const uri = 'https://perdure.dev/extensions/timestamps/v1';
    expect(await readUntil(open(subscribe, { 'a2a-extensions': uri }), END)).toContain(`a2a-extensions: ${uri}`);
  });

  it('is refused before it opens when the operation fails at once', async () => {
    server.script.subscribeToTask = async function* () {
      throw new A2AError('UNSUPPORTED_OPERATION', { message: 'The task has ended' });
    };
    const answer = await server.post(subscribe);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.body).toMatchObject({ id: 'sub-1', error: { code: -32004, message: 'The task has ended' } });
  });

  it('ends with an error event, without its cause, when the operation fails on the way', async () => {
    server.script.subscribeToTask = async function* () {
      yield statusEvent(1);
      throw new Error('swordfish');
    };
    const text = await readUntil(open(), END);
    expect(text).toContain('event: error\ndata: {"jsonrpc":"2.0","id":"sub-1","error":{"code":-32603');
    expect(text).not.toContain('swordfish');
    expect(server.log).toHaveLength(1);
  });

  it('keeps a silent connection alive with comments', async () => {
    server.script.subscribeToTask = () => deafStream().source;
    const text = await readUntil(open(), /(: keep-alive\n\n[\s\S]*){3}/);
    expect(text.match(/data:/g)).toHaveLength(1);
  });

  it.each([
    ['17', 17],
    ['0', 0],
  ])('resumes after Last-Event-ID %s', async (header, expected) => {
    let context: CallContext | undefined;
    server.script.subscribeToTask = async function* (_request, given) {
      context = given;
      yield statusEvent(18);
    };
    await readUntil(open(subscribe, { 'last-event-id': header }), END);
    expect(context?.lastEventId).toBe(expected);
  });

  it.each(['-1', '1.5', 'abc', '1e3', '9'.repeat(16)])('refuses Last-Event-ID %s', async (header) => {
    const { body } = await server.post(subscribe, { headers: { 'last-event-id': header } });
    expect(body.error.code).toBe(-32602);
    expect(body.error.data[0].fieldViolations[0].field).toBe('Last-Event-ID');
  });
});

describe('a reader of a stream', () => {
  it('that hangs up aborts the call and ends a source that still waits', async () => {
    const { source, returned } = deafStream();
    let signal: AbortSignal | undefined;
    server.script.subscribeToTask = (_request, context) => {
      signal = context.signal;
      return source;
    };
    const socket = open();
    await readUntil(socket, /data:/);
    socket.destroy();
    await returned;
    expect(signal?.aborted).toBe(true);
  });

  it('that hangs up before the first event ends the source too', async () => {
    const returned = deferred();
    server.script.subscribeToTask = () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          socket.destroy();
          return new Promise(() => undefined);
        },
        return: async () => {
          returned.resolve();
          return { done: true, value: undefined };
        },
      }),
    });
    const socket = open();
    await returned.promise;
  });

  it('that takes nothing is dropped, and the source is asked for no more than fits the buffers', async () => {
    const ended = deferred();
    let produced = 0;
    const large = 'x'.repeat(1024 * 1024);
    server.script.subscribeToTask = async function* () {
      try {
        for (;;) yield statusEvent(++produced, large);
      } finally {
        ended.resolve();
      }
    };
    const socket = open();
    socket.pause();
    await ended.promise;
    expect(produced).toBeLessThan(32);
  });

  it('that is slow gets every event, in order', async () => {
    await server.close();
    server = await startScriptedServer({ streamStallMs: 10_000 });
    const large = 'x'.repeat(256 * 1024);
    server.script.subscribeToTask = async function* () {
      for (let sequence = 1; sequence <= 20; sequence++) yield statusEvent(sequence, large);
    };
    const socket = open();
    const ids: number[] = [];
    const parser = createParser({ onEvent: ({ id }) => ids.push(Number(id)) });
    let tail = '';
    for await (const chunk of socket) {
      const text = String(chunk);
      parser.feed(text.replace(/\r\n[0-9a-f]*\r\n/g, ''));
      tail = (tail + text).slice(-20);
      if (tail.endsWith(LAST_CHUNK)) break;
    }
    expect(ids).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  });

  it('beyond the limit is told to try later, until another one leaves', async () => {
    const streams = [deafStream(), deafStream()];
    let opened = 0;
    server.script.subscribeToTask = () => streams[opened++]!.source;
    const [first] = [open(), open()];
    await Promise.all(sockets.map((socket) => readUntil(socket, /data:/)));

    const refused = await server.post(subscribe);
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.body.error).toMatchObject({ code: -32000 });

    first.destroy();
    await Promise.race(streams.map(({ returned }) => returned));
    server.script.subscribeToTask = async function* () {
      yield statusEvent(1);
    };
    expect(await readUntil(open(), END)).toContain('data:');
  });
});

describe('a server that shuts down', () => {
  it('ends its streams with a comment, ends their sources, and takes no new calls', async () => {
    const { source, returned } = deafStream();
    server.script.subscribeToTask = () => source;
    const socket = open();
    await readUntil(socket, /data:/);

    const ending = readUntil(socket, END);
    await server.calls.drain();
    await returned;
    expect(await ending).toContain(': server is shutting down\n\n');

    const refused = await server.post(subscribe);
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
  });

  it('tells a stream that has no event yet to try again', async () => {
    await server.close();
    server = await startScriptedServer({ drainMs: 5_000 });
    const waiting = deferred();
    server.script.subscribeToTask = () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          waiting.resolve();
          return new Promise(() => undefined);
        },
      }),
    });
    const answer = server.post(subscribe);
    await waiting.promise;
    await server.calls.drain();
    expect((await answer).status).toBe(503);
  });

  it('lets a call in flight answer with what it has before the drain is over', async () => {
    const waiting = deferred();
    server.script.getTask = async (_request, { signal }) => {
      waiting.resolve();
      await once(signal, 'abort');
      throw new A2AError('TASK_NOT_FOUND');
    };
    const answer = server.post({ ...subscribe, method: 'GetTask' });
    await waiting.promise;
    await server.calls.drain();
    expect((await answer).body.error.code).toBe(-32001);
  });

  it('has nothing to wait for when nobody calls', async () => {
    await server.calls.drain();
    expect(server.calls.endSignal.aborted).toBe(true);
  });
});
