import { once } from 'node:events';
import { create, type DescMethod, fromBinary, type MessageInitShape, toBinary, toJson } from '@bufbuild/protobuf';
import { Client, credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  A2AError,
  type CallContext,
  SendMessageResponseSchema,
  StreamResponseSchema,
  type Task,
  TaskSchema,
  TaskState,
  v03,
} from '#protocol';
import { GrpcClient, type GrpcCallOptions, type GrpcError, type GrpcStream } from '../support/grpc-client.js';
import { scriptedAgent, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const WARM = 'https://example.com/warm';
const { method } = v03.A2AService;

let server: ScriptedServer;
let client: GrpcClient;

beforeAll(async () => {
  const card = { name: 'Other', description: 'd', version: '2.0.0', skills: [] };
  server = await startScriptedServer({}, [
    scriptedAgent('echo', { default: true }),
    scriptedAgent('other', { card: { ...card, capabilities: { extensions: [{ uri: WARM }] } } }),
  ]);
  client = new GrpcClient(server.grpc);
});
afterAll(async () => {
  client.close();
  await server.close();
});
beforeEach(() => {
  for (const name of Object.keys(server.script)) delete server.script[name as keyof typeof server.script];
});

type Unary = { [Name in keyof typeof method]: (typeof method)[Name]['methodKind'] extends 'unary' ? Name : never };
type UnaryName = Unary[keyof Unary];
type Output<Name extends keyof typeof method> = ReturnType<typeof create<(typeof method)[Name]['output']>>;

/** Calls a method of a2a.v1 as clients of 0.3 do: without a version. */
async function call<Name extends UnaryName>(
  name: Name,
  request: MessageInitShape<(typeof method)[Name]['input']>,
  metadata: GrpcCallOptions['metadata'] = {},
): Promise<Output<Name>> {
  const described: DescMethod = method[name];
  const bytes = toBinary(described.input, create(described.input, request as never));
  const answer = await client.send(described, bytes, { metadata: { 'a2a-version': undefined, ...metadata } });
  return fromBinary(described.output, answer.message) as Output<Name>;
}

function open<Name extends 'sendStreamingMessage' | 'taskSubscription'>(
  name: Name,
  request: MessageInitShape<(typeof method)[Name]['input']>,
): GrpcStream<v03.StreamResponse> {
  const described: DescMethod = method[name];
  const bytes = toBinary(described.input, create(described.input, request as never));
  return client.openBytes(described, bytes, { metadata: { 'a2a-version': undefined } });
}

async function refusal(refused: Promise<unknown>): Promise<GrpcError> {
  return refused.then(
    () => expect.unreachable('the call was answered'),
    (error: GrpcError) => error,
  );
}

function message(...content: MessageInitShape<typeof v03.PartSchema>[]): MessageInitShape<typeof v03.MessageSchema> {
  return { messageId: 'm', role: v03.Role.USER, content };
}

const text = (value: string) => ({ part: { case: 'text' as const, value } });

function task(id: string, state = TaskState.COMPLETED): Task {
  return create(TaskSchema, { id, contextId: 'c', status: { state } });
}

describe('package a2a.v1 over gRPC', () => {
  it('takes a message and answers with a task', async () => {
    const seen: unknown[] = [];
    server.script.sendMessage = async ({ message: sent, configuration }, { tenant, agent }) => {
      seen.push(sent?.parts[0]?.content.value, configuration?.returnImmediately, tenant, agent);
      return create(SendMessageResponseSchema, { payload: { case: 'task', value: task('7') } });
    };
    const answer = await call('sendMessage', { request: message(text('Hello')), configuration: {} });
    expect(toJson(v03.SendMessageResponseSchema, answer)).toEqual({
      task: { id: '7', contextId: 'c', status: { state: 'TASK_STATE_COMPLETED' } },
    });
    expect(seen).toEqual(['Hello', true, 'default', 'echo']);
  });

  it('streams events', async () => {
    server.script.sendStreamingMessage = async function* () {
      for (const [index, state] of [TaskState.WORKING, TaskState.CANCELED].entries()) {
        const value = { taskId: '7', contextId: 'c', status: { state } };
        const event = create(StreamResponseSchema, { payload: { case: 'statusUpdate', value } });
        yield { sequence: index + 1, message: event };
      }
    };
    const stream = open('sendStreamingMessage', { request: message(text('x')) });
    const events = await stream.all();
    expect(events.map((event) => toJson(v03.StreamResponseSchema, event))).toMatchObject([
      { statusUpdate: { status: { state: 'TASK_STATE_WORKING' } } },
      { statusUpdate: { status: { state: 'TASK_STATE_CANCELLED' }, final: true } },
    ]);
    expect(stream.headers.get('event-id')).toEqual(['1']);
    expect(stream.trailers.get('last-event-id')).toEqual(['2']);
  });

  it('reads, cancels and subscribes to a task by its resource name', async () => {
    server.script.getTask = async ({ id, historyLength }) => task(`${id} ${historyLength ?? 'all'}`);
    server.script.cancelTask = async ({ id }) => task(id, TaskState.CANCELED);
    server.script.subscribeToTask = async function* () {
      throw new A2AError('UNSUPPORTED_OPERATION');
    };
    expect((await call('getTask', { name: 'tasks/7' })).id).toBe('7 all');
    expect((await call('getTask', { name: 'tasks/7', historyLength: 3 })).id).toBe('7 3');
    expect((await call('cancelTask', { name: 'tasks/7' })).status?.state).toBe(v03.TaskState.CANCELLED);
    expect(await open('taskSubscription', { name: 'tasks/7' }).all()).toMatchObject([
      { payload: { case: 'task', value: { id: '7 all' } } },
    ]);
  });

  it('gives the public card, its addresses those that 0.3 can use', async () => {
    const card = await call('getAgentCard', {});
    expect(card).toMatchObject({
      ...{ name: 'Agent echo', protocolVersion: '0.3.0' },
      ...{ url: server.url, preferredTransport: 'JSONRPC', supportsAuthenticatedExtendedCard: false },
    });
    expect(card.additionalInterfaces.map(({ transport }) => transport)).toEqual(['JSONRPC', 'HTTP+JSON', 'GRPC']);
    const other = await call('getAgentCard', {}, { 'a2a-tenant': 'acme/other' });
    expect([other.name, other.url]).toEqual(['Other', `${server.url}/agents/other/acme`]);
  });

  it('finds agent and tenant by the metadata a2a-tenant', async () => {
    let context: CallContext | undefined;
    server.script.getTask = async (_, called) => {
      context = called;
      return task('7');
    };
    await call(
      'getTask',
      { name: 'tasks/7' },
      { 'a2a-tenant': 'acme/other', 'x-a2a-extensions': `${WARM},urn:unknown` },
    );
    expect(context).toMatchObject({ tenant: 'acme', agent: 'other', extensions: [WARM] });
    const nobody = await refusal(call('getTask', { name: 'tasks/7' }, { 'a2a-tenant': '/nobody' }));
    expect([nobody.code, nobody.reason]).toEqual([status.NOT_FOUND, 'TASK_NOT_FOUND']);
    const malformed = await refusal(call('getTask', { name: 'tasks/7' }, { 'a2a-tenant': 'a b' }));
    expect([malformed.code, malformed.message]).toEqual([
      status.INVALID_ARGUMENT,
      expect.stringContaining('tenant must be [tenant][/agent]'),
    ]);
  });
});

describe('package a2a.v1', () => {
  it('describes itself to whoever asks the server by reflection', async () => {
    const symbol = Buffer.from(v03.A2AService.typeName);
    // ServerReflectionRequest.file_containing_symbol is field 4; so is file_descriptor_response of the answer.
    const question = Buffer.concat([Buffer.of(0x22, symbol.length), symbol]);
    const asked = new Client(server.grpc, credentials.createInsecure());
    try {
      const stream = asked.makeServerStreamRequest(
        '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        question,
      );
      const [answer] = (await once(stream, 'data')) as [Buffer];
      expect(v03.A2AService.methods.filter(({ name }) => !answer.includes(name))).toEqual([]);
      stream.on('error', () => undefined).cancel();
    } finally {
      asked.close();
    }
  });
});

describe('the version of a call to package a2a.v1', () => {
  it.each([undefined, '', '0.3', '0.3.0'])('may be %s', async (version) => {
    server.script.getTask = async () => task('7');
    expect((await call('getTask', { name: 'tasks/7' }, { 'a2a-version': version })).id).toBe('7');
  });

  it.each(['1.0', '0.2', 'x'])('may not be %s', async (version) => {
    const { code, reason } = await refusal(call('getTask', { name: 'tasks/7' }, { 'a2a-version': version }));
    expect([code, reason]).toEqual([status.FAILED_PRECONDITION, 'VERSION_NOT_SUPPORTED']);
  });
});

describe('package a2a.v1 refuses', () => {
  it.each([
    ['PUSH_NOTIFICATION_NOT_SUPPORTED', status.UNIMPLEMENTED],
    ['UNSUPPORTED_OPERATION', status.UNIMPLEMENTED],
    ['TASK_NOT_FOUND', status.NOT_FOUND],
    ['TASK_NOT_CANCELABLE', status.FAILED_PRECONDITION],
    ['CONTENT_TYPE_NOT_SUPPORTED', status.INVALID_ARGUMENT],
  ] as const)('with %s as clients of 0.3 know it', async (reason, code) => {
    server.script.cancelTask = async () => Promise.reject(new A2AError(reason));
    const error = await refusal(call('cancelTask', { name: 'tasks/7' }));
    expect([error.code, error.reason]).toEqual([code, reason]);
  });

  it.each([
    ['no message', {}, 'message'],
    ['a message of nothing', { request: {} }, 'message.messageId'],
    ['a part of no kind', { request: message(text('x'), {}) }, 'message.content[1]'],
    ['a NUL in a text', { request: { ...message(text('x')), contextId: 'a\0' } }, 'message.contextId'],
    [
      'a NUL in data',
      { request: message({ part: { case: 'data' as const, value: { data: { 'a\0': 1 } } } }) },
      'message.content[0].data.data["a\\u0000"]',
    ],
  ])('%s by the name that the field has there', async (_, request, field) => {
    const error = await refusal(call('sendMessage', request));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.violations).toEqual(expect.arrayContaining([expect.objectContaining({ field })]));
  });

  it('a name that is no resource', async () => {
    const error = await refusal(call('cancelTask', { name: '7' }));
    expect([error.code, error.message]).toEqual([
      status.INVALID_ARGUMENT,
      'Invalid parameters: name must be tasks/{id}',
    ]);
  });

  it('to tell what went wrong inside', async () => {
    server.script.getTask = async () => Promise.reject(new Error('secret'));
    const error = await refusal(call('getTask', { name: 'tasks/7' }));
    expect([error.code, error.message]).toEqual([status.INTERNAL, 'Internal error']);
    expect(server.log.at(-1)).toMatchObject({ method: 'a2a.v1.A2AService/GetTask', err: { message: 'secret' } });
  });
});
