import { create, type Message } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  A2A_ERRORS,
  A2AError,
  type A2AErrorReason,
  type A2AOperations,
  A2AService,
  AgentCardSchema,
  type CallContext,
  ListTaskPushNotificationConfigsResponseSchema,
  ListTasksResponseSchema,
  SendMessageResponseSchema,
  TaskPushNotificationConfigSchema,
  TaskSchema,
  TaskState,
} from '#protocol';
import { GrpcClient, type GrpcError } from '../support/grpc-client.js';
import { type ScriptedServer, scriptedAgent, startScriptedServer } from '../support/scripted-server.js';

let server: ScriptedServer;
let client: GrpcClient;
let seen: { request: unknown; context: CallContext } | undefined;

beforeAll(async () => {
  server = await startScriptedServer();
  client = new GrpcClient(server.grpc);
});
afterAll(async () => {
  client.close();
  await server.close();
});
beforeEach(() => {
  seen = undefined;
  server.log.length = 0;
  answerWith('getTask', create(TaskSchema, { id: 't-1', contextId: 'c', status: { state: TaskState.WORKING } }));
});

function answerWith(operation: keyof A2AOperations, answer: Message): void {
  server.script[operation] = ((request: unknown, context: CallContext) => {
    seen = { request, context };
    return Promise.resolve(answer);
  }) as never;
}

async function refusal(call: Promise<unknown>): Promise<GrpcError> {
  return call.then(
    () => Promise.reject(new Error('was answered')),
    (error: unknown) => error as GrpcError,
  );
}

describe('a call over gRPC', () => {
  const message = { messageId: 'm', role: 1, parts: [{ content: { case: 'text', value: 'Hi' } }] } as const;
  const push = create(TaskPushNotificationConfigSchema, { id: 'p', taskId: 't', url: 'https://h/' });
  const task = create(TaskSchema, { id: 't', metadata: { at: 1 }, status: { state: TaskState.COMPLETED } });
  it.each([
    ['sendMessage', { message }, create(SendMessageResponseSchema, { payload: { case: 'task', value: task } })],
    ['getTask', { id: 't' }, task],
    ['listTasks', { pageSize: 3 }, create(ListTasksResponseSchema, { tasks: [task], totalSize: 1 })],
    ['cancelTask', { id: 't' }, task],
    ['createTaskPushNotificationConfig', { taskId: 't', url: 'https://h/' }, push],
    ['getTaskPushNotificationConfig', { taskId: 't', id: 'p' }, push],
    [
      'listTaskPushNotificationConfigs',
      { taskId: 't' },
      create(ListTaskPushNotificationConfigsResponseSchema, { configs: [push] }),
    ],
    ['deleteTaskPushNotificationConfig', { taskId: 't', id: 'p' }, create(EmptySchema)],
    ['getExtendedAgentCard', {}, create(AgentCardSchema, { name: 'N', skills: [{ id: 's' }] })],
  ] as const)('%s gets its request and answers with the result of the operation', async (name, request, answer) => {
    answerWith(name, answer);

    expect((await client.call(name, request as never)).message).toEqual(answer);
    expect(seen?.request).toMatchObject(request);
    expect(seen?.context).toMatchObject({ tenant: 'default', agent: 'echo', principal: 'anonymous', extensions: [] });
  });

  it.each([
    ['', 'default', 'echo'],
    ['acme', 'acme', 'echo'],
    ['/other', 'default', 'other'],
    ['acme/other', 'acme', 'other'],
  ])('finds tenant and agent in the routing key %j', async (tenant, expected, agent) => {
    await client.call('getTask', { id: 't', tenant });
    expect(seen?.context).toMatchObject({ tenant: expected, agent });
  });

  it('refuses a routing key of nobody, and one that is none, like every binding', async () => {
    expect(await refusal(client.call('getTask', { id: 't', tenant: '/nobody' }))).toMatchObject({
      code: status.NOT_FOUND,
      message: 'Task not found: nothing is served under this address',
      reason: 'TASK_NOT_FOUND',
    });
    expect(await refusal(client.call('getTask', { id: 't', tenant: 'a/b/c' }))).toMatchObject({
      code: status.INVALID_ARGUMENT,
      violations: [{ field: 'tenant', description: expect.stringContaining('[tenant][/agent]') }],
    });
  });

  it('takes the idempotency key and the last event id from metadata, and refuses what is none', async () => {
    await client.call('getTask', { id: 't' }, { metadata: { 'Idempotency-Key': 'k-1', 'last-event-id': '7' } });
    expect(seen?.context).toMatchObject({ idempotencyKey: 'k-1', lastEventId: 7 });

    const wrong = [{ 'idempotency-key': 'x'.repeat(256) }, { 'last-event-id': 'seven' }];
    for (const metadata of wrong) {
      const error = await refusal(client.call('getTask', { id: 't' }, { metadata }));
      expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, violations: [expect.anything()] });
    }
  });

  it('is not found under another name', async () => {
    expect(await refusal(client.sendTo('/lf.a2a.v1.A2AService/NoSuchMethod', Buffer.of()))).toMatchObject({
      code: status.UNIMPLEMENTED,
    });
    expect(await refusal(client.sendTo('/no.such.Service/GetTask', Buffer.of()))).toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  });
});

describe('versions over gRPC', () => {
  it.each(['1.0', '1.0.7'])('takes %j', async (version) => {
    await client.call('getTask', { id: 't' }, { metadata: { 'a2a-version': version } });
    expect(seen).toBeDefined();
  });

  it.each([
    [undefined, '0.3'],
    ['0.3', '0.3'],
    ['99.0', '99.0'],
    ['one', 'one'],
  ])('refuses %j on every operation', async (version, requestedVersion) => {
    for (const method of A2AService.methods) {
      const error = await refusal(client.send(method, Buffer.of(), { metadata: { 'a2a-version': version } }));
      expect(error, method.name).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'VERSION_NOT_SUPPORTED' });
      expect(error.details[0]).toMatchObject({ metadata: { requestedVersion, supportedVersions: '1.0' } });
    }
  });
});

describe('extensions over gRPC', () => {
  const uri = 'https://example.com/ext';
  const capabilities = { extensions: [{ uri, required: true }] };

  it('are read from repeated metadata, and those that are active are answered in the headers', async () => {
    const card = { name: 'A', description: 'A', version: '1', skills: [], capabilities };
    const strict = await startScriptedServer({}, [scriptedAgent('strict', { default: true, card })]);
    const strictClient = new GrpcClient(strict.grpc);
    strict.script.getTask = async () => create(TaskSchema, { id: 't' });

    const missing = await refusal(strictClient.call('getTask', { id: 't' }));
    const metadata = { 'a2a-extensions': ['https://unknown', uri] };
    const { headers } = await strictClient.call('getTask', { id: 't' }, { metadata });

    expect(missing).toMatchObject({ code: status.FAILED_PRECONDITION, reason: 'EXTENSION_SUPPORT_REQUIRED' });
    expect(headers.get('a2a-extensions')).toEqual([uri]);
    strictClient.close();
    await strict.close();
  });

  it('are not answered where none is active', async () => {
    const { headers } = await client.call(
      'getTask',
      { id: 't' },
      { metadata: { 'a2a-extensions': 'https://unknown' } },
    );
    expect(headers.get('a2a-extensions')).toEqual([]);
  });
});

describe('errors over gRPC', () => {
  it.each(Object.keys(A2A_ERRORS) as A2AErrorReason[])('tell %s by code, text and details', async (reason) => {
    server.script.getTask = () =>
      Promise.reject(new A2AError(reason, { message: 'Größe 100 %', metadata: { a: 'b' } }));

    const error = await refusal(client.call('getTask', { id: 't' }));

    expect(error.code).toBe(A2A_ERRORS[reason].grpc);
    if (reason === 'INTERNAL_ERROR') return;
    expect(error.message).toBe('Größe 100 %');
    const json = await server.post({ jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 't' } });
    expect(error.details).toEqual(json.body.error.data ?? []);
  });

  it('give the time of a retry', async () => {
    server.script.getTask = () => Promise.reject(new A2AError('RESOURCE_EXHAUSTED', { retryAfterMs: 1_500 }));
    expect((await refusal(client.call('getTask', { id: 't' }))).details).toEqual([
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1.500s' },
    ]);
  });

  it('keep what was thrown to the log, under the id that the client gets', async () => {
    server.script.getTask = () => Promise.reject(new Error('password is hunter2'));

    const error = await refusal(client.call('getTask', { id: 't' }));

    expect(error).toMatchObject({ code: status.INTERNAL, message: 'Internal error', reason: 'INTERNAL_ERROR' });
    expect(JSON.stringify([error.details, error.trailers.getMap()])).not.toContain('hunter2');
    const { errorId } = error.details[0]!.metadata as { errorId: string };
    expect(server.log).toContainEqual(
      expect.objectContaining({ errorId, binding: 'GRPC', method: 'lf.a2a.v1.A2AService/GetTask', agent: 'echo' }),
    );
  });

  it('stay small enough for any client, whatever a request made them of', async () => {
    const violations = Array.from({ length: 20 }, () => ({ field: 'x'.repeat(4_000), description: 'is wrong' }));
    const half = '\u{1f600}'.slice(0, 1);
    server.script.getTask = () =>
      Promise.reject(new A2AError('INVALID_PARAMS', { message: half + 'y'.repeat(9_000), violations }));

    const error = await refusal(client.call('getTask', { id: 't' }));

    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.message.length).toBeLessThan(600);
    expect(error.details).toEqual([]);
  });
});

describe('the end of a call over gRPC', () => {
  it.each(['the client hangs up', 'its deadline passes'])('aborts the operation when %s', async (how) => {
    const hangUp = new AbortController();
    const aborted = new Promise<void>((resolve) => {
      server.script.getTask = (_request, { signal }) => {
        if (how === 'the client hangs up') hangUp.abort();
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
            resolve();
          }),
        );
      };
    });
    const deadline = how === 'its deadline passes' ? Date.now() + 1_000 : undefined;

    const error = await refusal(client.call('getTask', { id: 't' }, { signal: hangUp.signal, deadline }));

    await aborted;
    expect(error.code).toBe(deadline === undefined ? status.CANCELLED : status.DEADLINE_EXCEEDED);
    expect(server.log).toEqual([]);
  });
});
