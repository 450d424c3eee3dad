import { create, type DescMethod, type JsonObject, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { request as httpRequest } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { A2AService, type CallContext, StreamResponseSchema, TaskSchema, v03 } from '#protocol';
import { GrpcClient } from '../support/grpc-client.js';
import { type SeenCall, scriptAllOperations } from '../support/scripted-operations.js';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const SECRET = 'whsec_c2VjcmV0';
const URL_1 = 'https://hook.example/';
const MESSAGE = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'Hi' }] };
const MESSAGE_03 = { kind: 'message', messageId: 'm-1', role: 'user', parts: [{ kind: 'text', text: 'Hi' }] };
const MESSAGE_REST = { messageId: 'm-1', role: 'ROLE_USER', content: [{ text: 'Hi' }] };

let server: ScriptedServer;
let grpc: GrpcClient;
const seen: SeenCall[] = [];

beforeAll(async () => {
  server = await startScriptedServer();
  grpc = new GrpcClient(server.grpc);
});
afterAll(async () => {
  grpc.close();
  await server.close();
});
beforeEach(() => {
  seen.length = 0;
  scriptAllOperations(server, seen);
});

/** What came back beside the answer. */
interface Beside {
  readonly secret: unknown;
}

type Way = (headers?: Record<string, string>) => Promise<Beside>;

function jsonRpc(method: string, params: JsonObject, version: '1.0' | undefined): Way {
  return async (headers = {}) => {
    const body = { jsonrpc: '2.0', id: 1, method, params };
    const answer = await server.post(body, { headers: { 'a2a-version': version, ...headers } });
    if (answer.body?.error) throw Object.assign(new Error(answer.body.error.message), { error: answer.body.error });
    return { secret: answer.headers['webhook-secret'] };
  };
}

function rest(path: string, body: JsonObject, version?: '1.0'): Way {
  return async (headers = {}) => {
    const answer = await httpRequest(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(version && { 'a2a-version': version }), ...headers },
      body: JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw Object.assign(new Error(text), { status: answer.statusCode });
    return { secret: answer.headers['webhook-secret'] };
  };
}

function rpc<M extends DescMethod>(method: M, request: MessageInitShape<M['input']>, version?: '1.0'): Way {
  return async (headers = {}) => {
    const bytes = toBinary(method.input, create(method.input, request as never));
    const metadata = { 'a2a-version': version, ...headers };
    if (method.methodKind === 'unary') {
      return { secret: (await grpc.send(method, bytes, { metadata })).headers.get('webhook-secret')[0] };
    }
    const stream = grpc.openBytes(method, bytes, { metadata });
    await stream.all();
    return { secret: stream.headers.get('webhook-secret')[0] };
  };
}

const inline = { taskPushNotificationConfig: { url: URL_1 } };
const message = { messageId: 'm', role: 1, parts: [{ content: { case: 'text' as const, value: 'Hi' } }] };
const message03 = { messageId: 'm', role: 1, content: [{ part: { case: 'text' as const, value: 'Hi' } }] };
const inline03 = { pushNotification: { url: URL_1 } };
const { method } = A2AService;
const { method: method03 } = v03.A2AService;
const at03 = 'tasks/t-1/pushNotificationConfigs';
const created03 = { parent: 'tasks/t-1', config: { pushNotificationConfig: { url: URL_1 } } };
const config03 = { pushNotificationConfig: { url: URL_1 } };

/** Every call that makes a webhook, with the dialect in which the webhook is to be told. */
const WAYS: readonly [name: string, CallContext['pushDialect'], Way][] = [
  ['1.0 over JSON-RPC', undefined, jsonRpc('CreateTaskPushNotificationConfig', { taskId: 't-1', url: URL_1 }, '1.0')],
  ['1.0 over HTTP+JSON', undefined, rest('/tasks/t-1/pushNotificationConfigs', { url: URL_1 }, '1.0')],
  ['1.0 over gRPC', undefined, rpc(method.createTaskPushNotificationConfig, { taskId: 't-1', url: URL_1 }, '1.0')],
  ['0.3 over JSON-RPC', '0.3', jsonRpc('tasks/pushNotificationConfig/set', { taskId: 't-1', ...config03 }, undefined)],
  ['0.3 over HTTP+JSON', '0.3', rest(`/v1/${at03}`, created03)],
  ['0.3 over gRPC', '0.3', rpc(method03.createTaskPushNotificationConfig, created03)],
  ['the first dialect', 'first', jsonRpc('tasks/pushNotification/set', { id: 'mine', ...config03 }, undefined)],
  [
    'a send in 1.0 over JSON-RPC',
    undefined,
    jsonRpc('SendMessage', { message: MESSAGE, configuration: inline }, '1.0'),
  ],
  [
    'a send in 1.0 over HTTP+JSON',
    undefined,
    rest('/message:send', { message: MESSAGE, configuration: inline }, '1.0'),
  ],
  ['a send in 1.0 over gRPC', undefined, rpc(method.sendMessage, { message, configuration: inline }, '1.0')],
  [
    'a stream in 1.0 over JSON-RPC',
    undefined,
    jsonRpc('SendStreamingMessage', { message: MESSAGE, configuration: inline }, '1.0'),
  ],
  [
    'a stream in 1.0 over HTTP+JSON',
    undefined,
    rest('/message:stream', { message: MESSAGE, configuration: inline }, '1.0'),
  ],
  ['a stream in 1.0 over gRPC', undefined, rpc(method.sendStreamingMessage, { message, configuration: inline }, '1.0')],
  [
    'a send in 0.3 over JSON-RPC',
    '0.3',
    jsonRpc('message/send', { message: MESSAGE_03, configuration: config03 }, undefined),
  ],
  [
    'a stream in 0.3 over JSON-RPC',
    '0.3',
    jsonRpc('message/stream', { message: MESSAGE_03, configuration: config03 }, undefined),
  ],
  ['a send in 0.3 over HTTP+JSON', '0.3', rest('/v1/message:send', { message: MESSAGE_REST, configuration: inline03 })],
  [
    'a stream in 0.3 over gRPC',
    '0.3',
    rpc(method03.sendStreamingMessage, { request: message03, configuration: inline03 }),
  ],
  [
    'a send in the first dialect',
    'first',
    jsonRpc(
      'tasks/send',
      {
        id: 'mine',
        message: { role: 'user', parts: [{ type: 'text', text: 'Hi' }] },
        pushNotification: { url: URL_1 },
      },
      undefined,
    ),
  ],
];

describe.each(WAYS)('a webhook that is made by %s', (_name, dialect, call) => {
  it('is told in the dialect of its call', async () => {
    await call();
    expect(seen[0]!.context.pushDialect).toBe(dialect);
    expect(seen[0]!.context.clientTaskId).toBe(dialect === 'first' ? 'mine' : undefined);
    expect(configOf(seen[0]!)).toMatchObject({ url: URL_1 });
  });

  it('has its secret beside the answer, where one is made', async () => {
    expect((await call()).secret).toBeUndefined();
    answerWithSecret();
    expect((await call()).secret).toBe(SECRET);
  });

  it('is filtered as Push-Filter says', async () => {
    await call();
    expect(seen[0]!.context.pushFilter).toBeUndefined();
    await call({ 'push-filter': 'states=completed,failed; artifacts=false' });
    expect(seen[1]!.context.pushFilter).toEqual({ states: ['completed', 'failed'], artifacts: false });
  });

  it('is not made with a filter that is none', async () => {
    await expect(call({ 'push-filter': 'states=done' })).rejects.toThrow(/Push-Filter must have states out of/);
    expect(seen).toEqual([]);
  });
});

describe('calls that make no webhook', () => {
  it('have no secret beside their answers', async () => {
    expect((await jsonRpc('GetTask', { id: 't-1' }, '1.0')()).secret).toBeUndefined();
    expect((await rpc(method.getTask, { id: 't-1' }, '1.0')()).secret).toBeUndefined();
  });
});

/** The webhook that a call asks for. */
function configOf({ request }: SeenCall): unknown {
  const { configuration } = request as unknown as { configuration?: { taskPushNotificationConfig?: unknown } };
  return configuration?.taskPushNotificationConfig ?? request;
}

/** Lets every operation that may make a webhook make one, with a secret. */
function answerWithSecret(): void {
  const { script } = server;
  const { createTaskPushNotificationConfig: made, sendMessage: sent } = script;
  script.createTaskPushNotificationConfig = (request, context) => {
    context.onWebhookSecret?.(SECRET);
    return made!(request, context);
  };
  script.sendMessage = (request, context) => {
    context.onWebhookSecret?.(SECRET);
    return sent!(request, context);
  };
  script.sendStreamingMessage = async function* (_request, context) {
    context.onWebhookSecret?.(SECRET);
    const value = create(TaskSchema, { id: 't-1' });
    yield { sequence: 1, message: create(StreamResponseSchema, { payload: { case: 'task', value } }) };
  };
}
