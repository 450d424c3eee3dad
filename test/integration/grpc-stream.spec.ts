import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { setInterval } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  A2AError,
  A2AService,
  GetTaskRequestSchema,
  type Sequenced,
  type StreamResponse,
  StreamResponseSchema,
  TaskSchema,
} from '#protocol';
import { GrpcClient, pathOf } from '../support/grpc-client.js';
import { deferred, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const STALL_MS = 800;

let server: ScriptedServer;
let client: GrpcClient;

beforeAll(async () => {
  server = await startScriptedServer({ streamStallMs: STALL_MS });
  client = new GrpcClient(server.grpc);
});
afterAll(async () => {
  client.close();
  await server.close();
});
beforeEach(() => {
  server.log.length = 0;
});

function update(sequence: number, text = ''): Sequenced<StreamResponse> {
  const parts = [{ content: { case: 'text' as const, value: text } }];
  const artifact = { artifactId: `a${sequence}`, parts };
  const value = { taskId: 't', contextId: 'c', artifact };
  return {
    sequence,
    message: create(StreamResponseSchema, { payload: { case: 'artifactUpdate', value: value as never } }),
  };
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** A call whose client is HTTP/2 and no more: it takes what the test takes. */
function requestOn(session: ClientHttp2Session, method: 'getTask' | 'subscribeToTask', id: string): ClientHttp2Stream {
  const headers = { 'content-type': 'application/grpc', 'a2a-version': '1.0', te: 'trailers' };
  const call = session.request({ ':method': 'POST', ':path': pathOf(A2AService.method[method]), ...headers });
  const request = toBinary(GetTaskRequestSchema, create(GetTaskRequestSchema, { id }));
  call.end(Buffer.concat([Buffer.of(0, 0, 0, 0, request.length), request]));
  return call;
}

const isGone = { code: status.CANCELLED };

describe('a stream over gRPC', () => {
  it('gives every message as it comes, and ends with the operation', async () => {
    const next = deferred();
    server.script.subscribeToTask = async function* () {
      yield update(4);
      await next.promise;
      yield update(5);
    };
    const stream = client.open('subscribeToTask', { id: 't' });

    expect(await stream.next()).toEqual(update(4).message);
    next.resolve();
    expect(await stream.next()).toEqual(update(5).message);
    expect(await stream.next()).toBeUndefined();
  });

  it('says the number of its first event in the headers, and of its last in the trailers', async () => {
    server.script.subscribeToTask = async function* (_request, { lastEventId = 0 }) {
      yield* [1, 2, 3].map((step) => update(lastEventId + step));
    };
    const stream = client.open('subscribeToTask', { id: 't' }, { metadata: { 'last-event-id': '6' } });

    expect(await stream.all()).toHaveLength(3);
    expect(stream.headers.get('event-id')).toEqual(['7']);
    expect(stream.trailers.get('last-event-id')).toEqual(['9']);
  });

  it('has no numbers where it is an answer without a task', async () => {
    server.script.sendStreamingMessage = async function* () {
      yield update(0);
    };
    const message = { messageId: 'm', role: 1, parts: [{ content: { case: 'text', value: 'Hi' } }] };
    const stream = client.open('sendStreamingMessage', { message: message as never });

    expect(await stream.all()).toHaveLength(1);
    expect([...stream.headers.get('event-id'), ...stream.trailers.get('last-event-id')]).toEqual([]);
  });

  it('may end without a message', async () => {
    server.script.subscribeToTask = async function* () {
      // Nothing happens.
    };
    expect(await client.open('subscribeToTask', { id: 't' }).all()).toEqual([]);
  });

  it('is refused with a plain status before its first message', async () => {
    server.script.subscribeToTask = async function* () {
      throw new A2AError('UNSUPPORTED_OPERATION', { message: 'The task has ended' });
    };
    const stream = client.open('subscribeToTask', { id: 't' });

    await expect(stream.next()).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      message: 'The task has ended',
      reason: 'UNSUPPORTED_OPERATION',
    });
    expect(stream.headers.getMap()).toEqual({});
  });

  it('ends with the status of a failure behind what was sent before it', async () => {
    server.script.subscribeToTask = async function* () {
      yield update(1);
      throw new Error('password is hunter2');
    };
    const stream = client.open('subscribeToTask', { id: 't' });

    expect(await stream.next()).toBeDefined();
    await expect(stream.next()).rejects.toMatchObject({ code: status.INTERNAL, message: 'Internal error' });
    expect(stream.trailers.get('last-event-id')).toEqual(['1']);
    expect(server.log).toContainEqual(expect.objectContaining({ msg: 'call.failed', binding: 'GRPC', agent: 'echo' }));
  });

  it('is put away when the client hangs up', async () => {
    const closed = deferred();
    server.script.subscribeToTask = async function* (_request, { signal }) {
      try {
        yield update(1);
        await until(signal);
      } finally {
        closed.resolve();
      }
    };
    const stream = client.open('subscribeToTask', { id: 't' });
    await stream.next();
    stream.cancel();

    await closed.promise;
    await expect(stream.next()).rejects.toMatchObject(isGone);
    expect(server.log).toEqual([]);
  });

  it('ends with DEADLINE_EXCEEDED when its time is over', async () => {
    const closed = deferred();
    server.script.subscribeToTask = async function* (_request, { signal }) {
      try {
        yield update(1);
        await until(signal);
      } finally {
        closed.resolve();
      }
    };
    const stream = client.open('subscribeToTask', { id: 't' }, { deadline: Date.now() + 1_000 });

    expect(await stream.next()).toBeDefined();
    await expect(stream.next()).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await closed.promise;
  });

  it('is one of a bounded number, with a time to try again', async () => {
    const small = await startScriptedServer({ maxStreams: 1 });
    const smallClient = new GrpcClient(small.grpc);
    small.script.subscribeToTask = async function* (_request, { signal }) {
      yield update(1);
      await until(signal);
    };
    const taken = smallClient.open('subscribeToTask', { id: 't' });
    await taken.next();
    const refused = smallClient.open('subscribeToTask', { id: 't' });

    await expect(refused.next()).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: [{ retryDelay: '1s' }],
    });
    taken.cancel();
    await expect(taken.next()).rejects.toMatchObject(isGone);
    smallClient.close();
    await small.close();
  });
});

describe('a reader over gRPC that takes nothing', () => {
  const text = 'x'.repeat(16 * 1024);

  it('is dropped, with little made for it, and others on its connection go on', async () => {
    let made = 0;
    server.script.subscribeToTask = async function* ({ id }, { signal }) {
      for (made = 1; id === 'stopped'; made++) yield update(made, text);
      yield update(1);
      await until(signal);
    };
    const session = connect(`http://${server.grpc}`);
    const other = requestOn(session, 'subscribeToTask', 'other').resume();
    const stopped = requestOn(session, 'subscribeToTask', 'stopped');

    await expect(once(stopped, 'close')).rejects.toThrow('NGHTTP2_ENHANCE_YOUR_CALM');

    expect(made * text.length).toBeLessThan(1024 ** 2);
    expect(other.closed).toBe(false);
    session.destroy();
    expect(server.log).toEqual([]);
  });

  it('is waited for as long as it takes something now and then', async () => {
    server.script.subscribeToTask = async function* () {
      for (let sequence = 1; sequence <= 20; sequence++) yield update(sequence, text);
    };
    const stream = client.open('subscribeToTask', { id: 't' });

    let read = 0;
    for await (const _ of setInterval(STALL_MS / 10)) {
      if (!(await stream.next())) break;
      read++;
    }

    expect(read).toBe(20);
  });

  it('is dropped too where one answer is all there is', async () => {
    const parts = [{ content: { case: 'raw' as const, value: new Uint8Array(2 * 1024 ** 2) } }];
    server.script.getTask = async () => create(TaskSchema, { id: 't', artifacts: [{ artifactId: 'a', parts }] });
    const session = connect(`http://${server.grpc}`);
    const call = requestOn(session, 'getTask', 't');

    await expect(once(call, 'close')).rejects.toThrow('NGHTTP2_ENHANCE_YOUR_CALM');
    session.destroy();
  });
});

describe('a server that shuts down', () => {
  it('ends streams with UNAVAILABLE and a time to try again, answers calls, and takes no new ones', async () => {
    const going = await startScriptedServer();
    const goingClient = new GrpcClient(going.grpc);
    going.script.subscribeToTask = async function* (_request, { signal }) {
      yield update(3);
      await until(signal);
    };
    const asked = deferred();
    going.script.getTask = async (_request, { signal }) => {
      asked.resolve();
      await until(signal);
      return create(TaskSchema, { id: 'as it is' });
    };
    const stream = goingClient.open('subscribeToTask', { id: 't' });
    await stream.next();
    const call = goingClient.call('getTask', { id: 't' });
    await asked.promise;

    going.calls.stopTaking();
    const refused = goingClient.call('getTask', { id: 't' });
    const unavailable = { code: status.UNAVAILABLE, details: [{ retryDelay: '1s' }] };
    await expect(refused).rejects.toMatchObject(unavailable);
    await going.calls.drain();

    expect((await call).message.id).toBe('as it is');
    await expect(stream.next()).rejects.toMatchObject(unavailable);
    expect(stream.trailers.get('last-event-id')).toEqual(['3']);
    await going.close();
    await expect(goingClient.call('getTask', { id: 't' })).rejects.toMatchObject({ code: status.UNAVAILABLE });
    goingClient.close();
  });

  it('does not wait for connections that say nothing', async () => {
    const going = await startScriptedServer();
    const [host, port] = going.grpc.split(':');
    const silent = connectSocket(Number(port), host).resume();
    const watching = new GrpcClient(going.grpc);
    going.script.getTask = async () => create(TaskSchema, {});
    await watching.call('getTask', { id: 't' });

    const closed = once(silent, 'close');
    await going.close();

    await closed;
    watching.close();
  });
});
