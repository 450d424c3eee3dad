import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { A2AError, type CallContext } from '#protocol';
import { HttpJsonClient } from '../support/http-json.js';
import { deferred, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';
import { deafStream, statusEvent } from '../support/scripted-streams.js';
import { upTo } from '../support/sse-client.js';

let server: ScriptedServer;
let client: HttpJsonClient;

beforeEach(async () => {
  server = await startScriptedServer({ keepAliveMs: 25, streamStallMs: 100, maxStreams: 2, drainMs: 5_000 });
  client = new HttpJsonClient(server.url);
});
afterEach(() => server.close());

/** The events alone: a moment without one may have brought a comment. */
function eventsIn(text: string): string {
  return text.replaceAll(': keep-alive\n\n', '');
}

const STREAMS = [
  ['POST', '/tasks/t-1:subscribe'],
  ['GET', '/tasks/t-1:subscribe'],
  ['POST', '/tasks/t-1/subscribe'],
  ['GET', '/tasks/t-1/subscribe'],
] as const;

describe.each(STREAMS)('the stream of %s %s', (method, path) => {
  it('has the headers of one, and every message bare, on one line, with its number', async () => {
    server.script.subscribeToTask = async function* () {
      yield statusEvent(3);
      yield { ...statusEvent(4), json: '{"made":"once"}' };
    };
    const { status: httpStatus, headers, text } = await client.request(method, path);

    expect(httpStatus).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    const first = '{"statusUpdate":{"taskId":"t-1","contextId":"c"}}';
    expect(eventsIn(text)).toBe(`id: 3\ndata: ${first}\n\nid: 4\ndata: {"made":"once"}\n\n`);
  });

  it('is refused with a plain answer when the operation fails at once', async () => {
    server.script.subscribeToTask = async function* () {
      throw new A2AError('UNSUPPORTED_OPERATION', { message: 'The task has ended' });
    };
    const answer = await client.request(method, path, { headers: { accept: 'text/event-stream' } });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.json.error).toMatchObject({ code: 400, message: 'The task has ended' });
  });

  it('resumes after Last-Event-ID', async () => {
    let context: CallContext | undefined;
    server.script.subscribeToTask = async function* (_request, given) {
      context = given;
      yield statusEvent(18);
    };
    const stream = await client.open(method, path, { headers: { 'last-event-id': '17' } });
    expect((await stream.all()).map(({ id }) => id)).toEqual([18]);
    expect(context?.lastEventId).toBe(17);
  });

  it('is refused for a Last-Event-ID that is no number', async () => {
    const refused = client.open(method, path, { headers: { 'last-event-id': 'x' } });
    await expect(refused).rejects.toMatchObject({ httpStatus: 400, fields: ['Last-Event-ID'] });
  });
});

describe('a stream', () => {
  it('of a message keeps the order of its events', async () => {
    server.script.sendStreamingMessage = async function* () {
      for (const sequence of upTo(500)) yield statusEvent(sequence);
    };
    const stream = await client.stream('hello');
    expect((await stream.all()).map(({ id }) => id)).toEqual(upTo(500));
  });

  it('ends with an error event, without its cause, when the operation fails on the way', async () => {
    server.script.subscribeToTask = async function* () {
      yield statusEvent(1);
      throw new Error('swordfish');
    };
    const { text } = await client.request('GET', '/tasks/t-1:subscribe');
    const [, failure] = eventsIn(text).trim().split('\n\n');
    expect(failure).toMatch(
      /^event: error\ndata: \{"error":\{"code":500,"status":"INTERNAL","message":"Internal error"/,
    );
    expect(text).not.toContain('swordfish');
    expect(server.log).toHaveLength(1);
  });

  it('says why it ends where the operation says so', async () => {
    server.script.subscribeToTask = async function* () {
      yield statusEvent(1);
      throw new A2AError('TASK_NOT_FOUND');
    };
    const stream = await client.subscribe('t-1');
    await stream.next();
    await expect(stream.next()).rejects.toMatchObject({ code: 404, status: 'NOT_FOUND', reason: 'TASK_NOT_FOUND' });
  });

  it('that is silent is kept alive with comments', async () => {
    server.script.subscribeToTask = () => deafStream().source;
    const stream = await client.subscribe('t-1');
    await stream.next();
    const more = stream.next();
    while (stream.comments.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(stream.comments).toContain('keep-alive');
    await server.calls.drain();
    expect(await more).toBeUndefined();
  });

  it('that has nothing to tell yet opens all the same, and is kept alive', async () => {
    const begun = deferred();
    server.script.subscribeToTask = async function* () {
      await begun.promise;
      yield statusEvent(18);
    };
    const stream = await client.subscribe('t-1', 17);
    const event = stream.next();
    while (stream.comments.length < 2) await new Promise((resolve) => setImmediate(resolve));
    begun.resolve();
    expect(await event).toMatchObject({ id: 18 });
  });

  it('that fails after it has opened without an event ends with an error event', async () => {
    const begun = deferred();
    server.script.subscribeToTask = async function* () {
      await begun.promise;
      throw new A2AError('TASK_NOT_FOUND');
      yield statusEvent(1);
    };
    const stream = await client.subscribe('t-1', 17);
    begun.resolve();
    await expect(stream.next()).rejects.toMatchObject({ reason: 'TASK_NOT_FOUND' });
  });

  it('whose reader hangs up ends its source', async () => {
    const { source, returned } = deafStream();
    let signal: AbortSignal | undefined;
    server.script.subscribeToTask = (_request, context) => {
      signal = context.signal;
      return source;
    };
    const stream = await client.subscribe('t-1');
    await stream.next();
    stream.close();
    await returned;
    expect(signal?.aborted).toBe(true);
  });

  it('whose reader takes nothing is dropped, and the source asked for no more than fits the buffers', async () => {
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
    const stream = await client.subscribe('t-1');
    await ended.promise;
    expect(produced).toBeLessThan(32);
    stream.close();
  });

  it('beyond the limit is told to try later', async () => {
    server.script.subscribeToTask = () => deafStream().source;
    const open = await Promise.all([client.subscribe('t-1'), client.subscribe('t-2')]);
    const refused = await client.request('POST', '/tasks/t-3:subscribe');
    expect(refused.status).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json.error).toMatchObject({ code: 429, status: 'RESOURCE_EXHAUSTED' });
    for (const stream of open) stream.close();
  });

  it('that is asked for with HEAD has headers alone, and keeps nothing open', async () => {
    const { source, returned } = deafStream();
    server.script.subscribeToTask = () => source;
    const { status: httpStatus, headers, text } = await client.request('HEAD', '/tasks/t-1:subscribe');
    expect({ httpStatus, text }).toEqual({ httpStatus: 200, text: '' });
    expect(headers['content-type']).toBe('text/event-stream');
    await returned;
  });
});

describe('a server that shuts down', () => {
  it('ends its streams with a comment, and takes no new calls', async () => {
    const { source, returned } = deafStream();
    server.script.subscribeToTask = () => source;
    const stream = await client.subscribe('t-1');
    await stream.next();

    await server.calls.drain();
    await returned;
    expect(await stream.next()).toBeUndefined();
    expect(stream.comments).toContain('server is shutting down');

    const refused = await client.request('GET', '/tasks/t-1');
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json.error).toMatchObject({ code: 503, status: 'UNAVAILABLE' });
  });

  it('lets a call in flight answer with what it has', async () => {
    const begun = deferred();
    server.script.getTask = async (_request, { signal }) => {
      begun.resolve();
      await once(signal, 'abort');
      throw new A2AError('TASK_NOT_FOUND');
    };
    const answer = client.request('GET', '/tasks/t-1');
    await begun.promise;
    await server.calls.drain();
    expect((await answer).status).toBe(404);
  });
});
