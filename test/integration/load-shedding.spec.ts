import { once } from 'node:events';
import { type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { status as grpcStatus } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Role, SendMessageResponseSchema } from '#protocol';
import { Gate } from '../support/gate.js';
import { GrpcClient } from '../support/grpc-client.js';
import { envelope, sendParams } from '../support/json-rpc.js';
import { scriptAllOperations } from '../support/scripted-operations.js';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const MAX_BODIES = 200_000;
const PATIENCE = { timeout: 10_000 };
const SEND = envelope('SendMessage', sendParams('Hi'));
const TRY_AGAIN = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' };

let server: ScriptedServer;
/** Opens when the operation of the one call that has room may end. */
let go: Gate;
/** Says that the call only waits for its task. */
let waits: () => void;
let first: Promise<unknown>;

beforeAll(async () => {
  server = await startScriptedServer({ maxCalls: 1, maxBodiesBytes: MAX_BODIES });
  scriptAllOperations(server, []);
});
afterAll(() => server.close());

/** Uses up all room for calls. */
async function fill(): Promise<void> {
  const taken = new Gate();
  go = new Gate();
  server.script.sendMessage = async (_request, context) => {
    waits = context.waits!;
    taken.open();
    await go.opened;
    return create(SendMessageResponseSchema);
  };
  first = server.post(SEND);
  await taken.opened;
}

async function release(): Promise<void> {
  go.open();
  await first;
}

/** Writes the head of a request alone, or with the beginning of its body. */
function begin(path: string, headers: Record<string, string | number>, body = ''): Socket {
  return server.connect(`POST ${path} HTTP/1.1\r\n${lines(headers)}\r\n${body}`);
}

function lines(headers: Record<string, string | number>): string {
  const all = { host: 'localhost', 'content-type': 'application/json', 'a2a-version': '1.0', ...headers };
  return Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

describe('a server with as many calls as it may have', () => {
  beforeAll(fill);
  afterAll(release);

  it('tells a sender over JSON-RPC to try again, under the id of the request', async () => {
    for (const method of ['SendMessage', 'SendStreamingMessage']) {
      const { status, headers, body } = await server.post({ ...SEND, method });
      expect({ status, wait: headers['retry-after'] }).toEqual({ status: 503, wait: '1' });
      expect(body).toMatchObject({ id: SEND.id, error: { code: -32000, data: [TRY_AGAIN] } });
    }
  });

  it('says so to clients of older dialects too', async () => {
    for (const method of ['message/send', 'message/stream', 'tasks/send', 'tasks/sendSubscribe']) {
      const { status, body } = await server.post({ ...SEND, method }, { headers: { 'a2a-version': undefined } });
      expect({ status, body }).toMatchObject({ status: 503, body: { id: SEND.id, error: { code: -32000 } } });
    }
    const old = await server.post(sendParams('Hi'), { path: '/v1/message:send', headers: { 'a2a-version': '0.3' } });
    expect({ status: old.status, wait: old.headers['retry-after'] }).toEqual({ status: 503, wait: '1' });
  });

  it('answers a large request before its body has come', async () => {
    const socket = begin('/', { 'content-length': 1_000_000 });
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 503 [^]*retry-after: 1\r\n[^]*"id":null,"error":\{"code":-32000/);
    socket.destroy();
  });

  it('tells a sender over HTTP+JSON the same, before its body has come', async () => {
    for (const path of ['/message:send', '/message:stream', '/agents/other/acme/message:send']) {
      const socket = begin(path, { 'content-length': 100, connection: 'close' });
      socket.end('x'.repeat(100));
      const answer = await text(socket);
      expect(answer, path).toMatch(/^HTTP\/1.1 503 [^]*retry-after: 1\r\n/);
      const { error } = JSON.parse(answer.slice(answer.indexOf('{'))) as { error: object };
      expect(error).toMatchObject({ code: 503, status: 'UNAVAILABLE', details: [TRY_AGAIN] });
    }
  });

  it('tells a sender over gRPC the same, and answers one who looks', async () => {
    const client = new GrpcClient(server.grpc);
    const message = { messageId: 'm-1', role: Role.USER, parts: [{ content: { case: 'text' as const, value: 'Hi' } }] };
    const refused = { code: grpcStatus.UNAVAILABLE, details: [TRY_AGAIN] };
    await expect(client.call('sendMessage', { message })).rejects.toMatchObject(refused);
    await expect(client.open('sendStreamingMessage', { message }).next()).rejects.toMatchObject(refused);
    expect((await client.call('getTask', { id: 't-1' })).message.id).toBe('t-1');
    client.close();
  });

  it('goes on to answer those who look, cancel, ask for cards or for its health', async () => {
    expect(await server.post(envelope('GetTask', { id: 't-1' }))).toMatchObject({ status: 200, body: { result: {} } });
    expect(await server.post(envelope('CancelTask', { id: 't-1' }))).toMatchObject({ status: 200 });
    expect((await server.post('', { path: '/tasks/t-1:cancel' })).status).toBe(200);
    for (const path of ['/tasks/t-1', '/.well-known/agent-card.json', '/health/live', '/health/ready']) {
      const { status } = await fetch(server.url + path, { headers: { 'a2a-version': '1.0' } });
      expect(status, path).toBe(200);
    }
  });
});

describe('a call that waits for its task', () => {
  beforeAll(fill);
  afterAll(release);

  it('makes room for the next one', async () => {
    expect((await server.post(SEND)).status).toBe(503);
    waits();
    scriptAllOperations(server, []);
    expect((await server.post(SEND)).status).toBe(200);
  });
});

describe('a server with twice as many calls', () => {
  it('refuses those who look too, and tells of its health all the same', async () => {
    const go = new Gate();
    const hold = () => go.opened.then(() => Promise.reject(new Error('held')));
    Object.assign(server.script, { getTask: hold, sendMessage: hold });
    const held = [server.post(SEND), server.post(envelope('GetTask', { id: 't-1' }))];
    await vi.waitFor(() => expect(server.calls.pending).toBe(2), PATIENCE);
    expect(await server.post(envelope('GetTask', { id: 't-1' }))).toMatchObject({ status: 503, body: { id: null } });
    expect((await fetch(`${server.url}/.well-known/agent-card.json`)).status).toBe(503);
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
    go.open();
    await Promise.all(held);
    expect(server.calls.pending).toBe(0);
  });
});

describe('large bodies', () => {
  const half = { 'content-length': MAX_BODIES };
  let sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    await vi.waitFor(async () => expect((await server.post(sizedSend(MAX_BODIES - 1_000))).status).toBe(200), PATIENCE);
  });

  function sizedSend(bytes: number): string {
    return JSON.stringify(envelope('SendMessage', sendParams('x'.repeat(bytes))));
  }

  function slowly(headers: Record<string, string | number>, body: string): Socket {
    const socket = begin('/', headers, body);
    sockets.push(socket);
    return socket;
  }

  it('are refused while others hold the memory there is for them, and small ones are not', async () => {
    scriptAllOperations(server, []);
    slowly(half, 'x'.repeat(MAX_BODIES - 30_000));
    await vi.waitFor(async () => expect((await server.post(sizedSend(40_000))).status).toBe(503), PATIENCE);
    expect((await server.post(sizedSend(10_000))).status).toBe(200);
  });

  it('that outgrow it are refused on the way, whether they say their length or not', async () => {
    scriptAllOperations(server, []);
    const piece = 'x'.repeat(60_000);
    const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`;
    slowly(half, piece);
    slowly({ 'transfer-encoding': 'chunked' }, chunk);
    const last = slowly({ 'transfer-encoding': 'chunked' }, chunk);
    await setImmediate();
    last.write(chunk);
    const [answer] = (await once(last, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 503 [^]*retry-after: 1\r\n[^]*"retryDelay":"1s"/);
  });
});
