import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  A2AError,
  type A2AErrorReason,
  type A2AOperations,
  type CallContext,
  ListTaskPushNotificationConfigsResponseSchema,
  SendMessageResponseSchema,
  type Sequenced,
  type StreamResponse,
  StreamResponseSchema,
  TaskPushNotificationConfigSchema,
  TaskSchema,
  TaskState,
  v03,
} from '#protocol';
import { grpcCodeIn03 } from './grpc-errors.js';
import { GrpcOperations03 } from './grpc-operations.js';

const context: CallContext = {
  ...{ tenant: 'default', agent: 'echo', principal: 'p', extensions: [] },
  signal: new AbortController().signal,
};
const card = create(v03.AgentCardSchema, { name: 'Echo' });
const ended = create(TaskSchema, { id: '7', status: { state: TaskState.COMPLETED } });
const hello = create(v03.SendMessageRequestSchema, {
  request: { messageId: 'm', role: v03.Role.USER, content: [{ part: { case: 'text', value: 'Hello' } }] },
});

function serving(operations: Partial<A2AOperations>): GrpcOperations03 {
  return new GrpcOperations03(operations as A2AOperations, () => card);
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** What a call is refused with. */
async function refusal(call: Promise<unknown>): Promise<A2AError> {
  const thrown: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof A2AError) return thrown;
  throw new Error('the call was not refused with an A2AError', { cause: thrown });
}

async function* streamOf(...states: TaskState[]): AsyncGenerator<Sequenced<StreamResponse>> {
  for (const [index, state] of states.entries()) {
    const payload = { case: 'statusUpdate', value: { taskId: '7', contextId: 'c', status: { state } } } as const;
    yield { sequence: index + 1, message: create(StreamResponseSchema, { payload }) };
  }
}

describe('the service of a2a.v1', () => {
  it('sends, and answers with the task', async () => {
    const { payload } = await serving({
      sendMessage: async (request, { agent }) => {
        expect([request.message?.parts[0]?.content.value, agent]).toEqual(['Hello', 'echo']);
        return create(SendMessageResponseSchema, { payload: { case: 'task', value: ended } });
      },
    }).sendMessage(hello, context);
    expect(payload).toMatchObject({ case: 'task', value: { id: '7', status: { state: v03.TaskState.COMPLETED } } });
  });

  it('streams events with their numbers', async () => {
    const sendStreamingMessage = () => streamOf(TaskState.WORKING, TaskState.COMPLETED);
    const events = await all(serving({ sendStreamingMessage }).sendStreamingMessage(hello, context));
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(events.map(({ message }) => (message.payload.value as v03.TaskStatusUpdateEvent).final)).toEqual([
      false,
      true,
    ]);
  });

  it('answers GetAgentCard with the public card', async () => {
    expect(await serving({}).getAgentCard(create(v03.GetAgentCardRequestSchema), context)).toBe(card);
  });

  it('carries webhooks to and fro', async () => {
    const config = create(TaskPushNotificationConfigSchema, { id: 'p', taskId: '7', url: 'https://example.com' });
    const operations = serving({
      createTaskPushNotificationConfig: async (request) => request,
      getTaskPushNotificationConfig: async ({ taskId, id }) => ({ ...config, taskId, id }),
    });
    const { name, pushNotificationConfig } = await operations.createTaskPushNotificationConfig(
      create(v03.CreateTaskPushNotificationConfigRequestSchema, {
        ...{ parent: 'tasks/7', configId: 'p' },
        config: { pushNotificationConfig: { url: 'https://example.com' } },
      }),
      context,
    );
    expect([name, pushNotificationConfig?.url]).toEqual(['tasks/7/pushNotificationConfigs/p', 'https://example.com']);
    const named = create(v03.GetTaskPushNotificationConfigRequestSchema, { name: 'tasks/8/pushNotificationConfigs/q' });
    expect((await operations.getTaskPushNotificationConfig(named, context)).name).toBe(named.name);
  });

  it('lists all webhooks, unless it is asked for a page', async () => {
    const asked: [number, string][] = [];
    const operations = serving({
      listTaskPushNotificationConfigs: async ({ taskId, pageSize, pageToken }) => {
        asked.push([pageSize, pageToken]);
        const id = pageToken === '' ? 'p' : 'q';
        const nextPageToken = pageToken === '' ? 'more' : '';
        return create(ListTaskPushNotificationConfigsResponseSchema, { configs: [{ id, taskId }], nextPageToken });
      },
    });
    const list = async (page: { pageSize?: number; pageToken?: string }) => {
      const request = { parent: 'tasks/7', ...page };
      const { configs, nextPageToken } = await operations.listTaskPushNotificationConfig(
        create(v03.ListTaskPushNotificationConfigRequestSchema, request),
        context,
      );
      return [configs.map(({ name }) => name.at(-1)), nextPageToken];
    };
    expect(await list({})).toEqual([['p', 'q'], '']);
    expect(await list({ pageSize: 1 })).toEqual([['p'], 'more']);
    expect(await list({ pageToken: 'more' })).toEqual([['q'], '']);
    expect(asked.slice(2)).toEqual([
      [1, ''],
      [0, 'more'],
    ]);
  });
});

describe('TaskSubscription of a2a.v1', () => {
  const request = create(v03.TaskSubscriptionRequestSchema, { name: 'tasks/7' });
  const refused = (reason: A2AErrorReason) =>
    async function* (): AsyncGenerator<never> {
      throw new A2AError(reason);
    };

  it('follows a task that lives', async () => {
    const operations = serving({
      subscribeToTask: ({ id }) => (id === '7' ? streamOf(TaskState.WORKING) : streamOf()),
    });
    expect(await all(operations.taskSubscription(request, context))).toHaveLength(1);
  });

  it('gives a task that has ended once, where 1.0 refuses', async () => {
    const operations = serving({ subscribeToTask: refused('UNSUPPORTED_OPERATION'), getTask: async () => ended });
    const events = await all(operations.taskSubscription(request, context));
    expect(events.map(({ message }) => message.payload)).toMatchObject([{ case: 'task', value: { id: '7' } }]);
  });

  it('is refused where a living task cannot be followed', async () => {
    const working = create(TaskSchema, { id: '7', status: { state: TaskState.WORKING } });
    const operations = serving({ subscribeToTask: refused('UNSUPPORTED_OPERATION'), getTask: async () => working });
    expect((await refusal(all(operations.taskSubscription(request, context)))).reason).toBe('UNSUPPORTED_OPERATION');
  });

  it('is refused where there is no task', async () => {
    const operations = serving({ subscribeToTask: refused('TASK_NOT_FOUND') });
    expect((await refusal(all(operations.taskSubscription(request, context)))).reason).toBe('TASK_NOT_FOUND');
  });
});

describe('errors of a2a.v1', () => {
  it.each([
    ['message.parts[0].url', 'message.content[0].file.fileWithUri'],
    ['message.parts[2].mediaType', 'message.content[2].file.mimeType'],
    ['message.parts', 'message.content'],
    ['message.partsOf', 'message.partsOf'],
    ['message.role', 'message.role'],
    ['metadata.parts', 'metadata.parts'],
    ['configuration.taskPushNotificationConfig', 'configuration.pushNotification'],
    [
      'configuration.taskPushNotificationConfig.authentication.scheme',
      'configuration.pushNotification.authentication.schemes',
    ],
    ['url', 'config.pushNotificationConfig.url'],
  ])('name %s as %s', async (field, named) => {
    const sendMessage = async () => Promise.reject(A2AError.invalidParams(field, 'is wrong'));
    const error = await refusal(serving({ sendMessage }).sendMessage(hello, context));
    expect(error.violations).toEqual([{ field: named, description: 'is wrong' }]);
    expect(error.message).toBe(`Invalid parameters: ${named} is wrong`);
  });

  it.each([
    ['p', 'configId'],
    ['', 'config.pushNotificationConfig.id'],
  ])('name the id of a webhook where it stood: %j, %s', async (configId, named) => {
    const request = create(v03.CreateTaskPushNotificationConfigRequestSchema, {
      ...{ parent: 'tasks/7', configId },
      config: { pushNotificationConfig: { id: 'q', url: 'https://example.com' } },
    });
    const createTaskPushNotificationConfig = async () => Promise.reject(A2AError.invalidParams('id', 'is wrong'));
    const { violations } = await refusal(
      serving({ createTaskPushNotificationConfig }).createTaskPushNotificationConfig(request, context),
    );
    expect(violations.map(({ field }) => field)).toEqual([named]);
  });

  it('name every field that 1.0 requires of a message', async () => {
    const request = create(v03.SendMessageRequestSchema, { request: {}, configuration: { pushNotification: {} } });
    const { violations } = await refusal(serving({}).sendMessage(request, context));
    expect(violations.map(({ field }) => field)).toEqual([
      'message.messageId',
      'message.role',
      'message.content',
      'configuration.pushNotification.url',
    ]);
  });

  it('stay what they are otherwise, in streams too', async () => {
    const error = new A2AError('TASK_NOT_FOUND');
    const getTask = async () => Promise.reject(error);
    expect(
      await refusal(serving({ getTask }).getTask(create(v03.GetTaskRequestSchema, { name: 'tasks/7' }), context)),
    ).toBe(error);
    const bare = create(v03.SendMessageRequestSchema, { request: {} });
    expect((await refusal(all(serving({}).sendStreamingMessage(bare, context)))).reason).toBe('INVALID_PARAMS');
  });

  it('have the status codes by which clients of 0.3 tell them apart', () => {
    const codes = ['TASK_NOT_FOUND', 'TASK_NOT_CANCELABLE', 'PUSH_NOTIFICATION_NOT_SUPPORTED', 'UNSUPPORTED_OPERATION'];
    expect(codes.map((reason) => grpcCodeIn03(reason as A2AErrorReason))).toEqual([5, 9, 12, 12]);
    expect(grpcCodeIn03('CONTENT_TYPE_NOT_SUPPORTED')).toBe(3);
  });
});
