import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskSchema } from '#protocol';
import { GrpcClient } from '../support/grpc-client.js';
import { deferred, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';
import { deafStream, statusEvent } from '../support/scripted-streams.js';
import { envelope, JsonRpcClient } from '../support/json-rpc.js';

const getTask = envelope('GetTask', { id: 't' });

let server: ScriptedServer;
let grpc: GrpcClient;
beforeEach(async () => {
  server = await startScriptedServer({ drainMs: 20_000 });
  server.script.getTask = async ({ id }) => create(TaskSchema, { id });
  grpc = new GrpcClient(server.grpc);
});
afterEach(async () => {
  grpc.close();
  await server.close();
});

/** The answer to GetTask over HTTP that the test gives. */
function waitingCall() {
  const [called, answered] = [deferred(), deferred()];
  server.script.getTask = async ({ id }) => {
    called.resolve();
    await answered.promise;
    return create(TaskSchema, { id });
  };
  return { called: called.promise, answer: answered.resolve };
}

describe('a server that has announced its end', () => {
  it('is not ready, and takes calls all the same', async () => {
    server.calls.announceEnd();
    const ready = await fetch(`${server.url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'draining', checks: {} }]);
    expect(await server.post(getTask)).toMatchObject({ status: 200, body: { result: { id: 't' } } });
    expect(await grpc.call('getTask', { id: 't' })).toMatchObject({ message: { id: 't' } });
  });

  it('closes the connections of HTTP/1.1 behind its answers, those to calls from before too', async () => {
    const call = waitingCall();
    const earlier = server.post(getTask);
    await call.called;
    server.calls.announceEnd();
    call.answer();
    expect((await earlier).headers.connection).toBe('close');
    expect((await server.post(getTask)).headers.connection).toBe('close');
    server.script.subscribeToTask = async function* () {
      yield statusEvent(1);
    };
    const stream = await new JsonRpcClient(server.url).subscribe('t');
    expect(stream.headers.connection).toBe('close');
    await stream.all();
  });

  it('tells the connections of HTTP/2 to go, without an error, and lets their open calls end', async () => {
    const call = waitingCall();
    const session = connectHttp2(`http://${server.grpc}`);
    await once(session, 'remoteSettings');
    const earlier = grpc.call('getTask', { id: 'earlier' });
    await call.called;

    const goaway = once(session, 'goaway');
    server.calls.announceEnd();
    expect((await goaway)[0]).toBe(0);
    // On a connection of its own: the one before takes no more.
    const later = grpc.call('getTask', { id: 'later' });
    call.answer();
    expect((await earlier).message.id).toBe('earlier');
    expect((await later).message.id).toBe('later');
  });

  it('fails none of the calls that come over one connection meanwhile', async () => {
    let answered = 0;
    const caller = async () => {
      for (let i = 0; i < 100; i++) {
        await grpc.call('getTask', { id: 't' });
        if (++answered === 200) server.calls.announceEnd();
      }
    };
    await Promise.all([caller(), caller(), caller(), caller()]);
    expect(answered).toBe(400);
  });
});

describe('a server that takes no more calls', () => {
  it('ends its streams at once, and lets other calls be answered in their time', async () => {
    const call = waitingCall();
    server.script.subscribeToTask = () => deafStream().source;
    const stream = await new JsonRpcClient(server.url).subscribe('t');
    await stream.next();
    const earlier = server.post(getTask);
    await call.called;

    server.calls.stopTaking();
    const answered = server.calls.answered();
    server.calls.endStreams();
    await stream.all();
    expect(stream.comments).toEqual(['server is shutting down']);
    expect(stream.retryMs).toBeGreaterThanOrEqual(500);
    expect(stream.retryMs).toBeLessThan(1_500);
    call.answer();
    await answered;
    expect((await earlier).body.result).toEqual({ id: 't' });
  });

  it('ends a resumed stream as a stream, though nothing has come yet', async () => {
    const waiting = deferred();
    server.script.subscribeToTask = () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          waiting.resolve();
          return new Promise(() => undefined);
        },
      }),
    });
    const resumed = new JsonRpcClient(server.url).subscribe('t', 7);
    await waiting.promise;
    server.calls.endStreams();
    const stream = await resumed;
    expect(await stream.all()).toEqual([]);
    expect(stream.comments).toEqual(['server is shutting down']);
  });

  it('waits for nobody where all calls are answered, and for streams only to the end', async () => {
    server.script.subscribeToTask = () => deafStream().source;
    const stream = await new JsonRpcClient(server.url).subscribe('t');
    await stream.next();
    server.calls.stopTaking();
    await server.calls.answered();
    await server.calls.drain();
    await stream.all();
  });
});
