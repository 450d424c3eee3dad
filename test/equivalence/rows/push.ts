import { type JsonObject } from '@bufbuild/protobuf';
import { expect } from 'vitest';
import { type TaskPushNotificationConfigJson } from '#protocol';
import { type CallOptions, type ProtocolClient, type UnaryOperation } from '../../support/protocol-client.js';
import { calls, type Row, send, sending, start, streams, UNKNOWN_ID } from '../row.js';

/** A name that no resolver knows (RFC 6761): nothing is ever sent there. */
const HOOK = 'https://webhook.invalid/hook';
const CONFIG = { id: 'tck-push-1', url: HOOK };

/** The operations on webhooks, each with a request that would do. */
export function pushRequests(taskId: string): [UnaryOperation, JsonObject][] {
  return [
    ['CreateTaskPushNotificationConfig', { taskId, ...CONFIG }],
    ['GetTaskPushNotificationConfig', { taskId, id: CONFIG.id }],
    ['ListTaskPushNotificationConfigs', { taskId }],
    ['DeleteTaskPushNotificationConfig', { taskId, id: CONFIG.id }],
  ];
}

/** Makes a webhook of a task that has ended, and gives both. */
async function hooked(client: ProtocolClient, config: JsonObject = CONFIG) {
  const { id: taskId } = await send(client, 'tck-complete-task');
  const made = await client.call('CreateTaskPushNotificationConfig', { taskId, ...config });
  return { taskId, made };
}

/** Makes a webhook of a new task. */
function creates(config: JsonObject, options?: CallOptions): Row['run'] {
  return async (client) => {
    const { id: taskId } = await send(client, 'tck-complete-task');
    return client.call('CreateTaskPushNotificationConfig', { taskId, ...config }, options);
  };
}

/** A send with a webhook. */
function sendingWith(config: JsonObject, text = 'tck-complete-task'): JsonObject {
  return { ...sending(text), configuration: { taskPushNotificationConfig: config } };
}

async function idsOf(client: ProtocolClient, request: JsonObject): Promise<string[]> {
  const { configs = [] } = await client.call('ListTaskPushNotificationConfigs', request);
  return configs.map(({ id = '' }) => id).sort();
}

/** A row that ends in the violations of these fields, the same whether the webhook is created or comes with a message. */
function invalid(name: string, fields: readonly string[], config: JsonObject): Row[] {
  const refused = (prefix: string) => {
    const violations = fields.map((field) => ({ field: prefix + field, description: expect.any(String) }));
    return { error: { status: 'INVALID_ARGUMENT', violations } };
  };
  return [
    { name: `${name} is refused`, run: creates(config), expected: refused('') },
    {
      name: `${name} is refused with a message`,
      run: calls('SendMessage', sendingWith(config)),
      expected: refused('configuration.taskPushNotificationConfig.'),
    },
  ];
}

const NOT_FOUND = { error: { status: 'NOT_FOUND', reason: 'TASK_NOT_FOUND' } };
const NO_PUSH = { error: { status: 'FAILED_PRECONDITION', reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED' } };
const SECRETS = { token: 'tok-1', authentication: { scheme: 'Bearer', credentials: 'cred-1' } };

/** What an answer shows of a webhook: never its token or credentials. */
const SHOWN = { id: CONFIG.id, taskId: 'id-1', url: HOOK };
const KEYS = ['authentication', 'id', 'taskId', 'url'];
const keysOf = (config: TaskPushNotificationConfigJson | undefined) => Object.keys(config ?? {}).sort();

/** Webhooks: the four operations, webhooks that come with a message, and what is refused. */
export const PUSH: readonly Row[] = [
  {
    name: 'a webhook is made under the id of its client, read and listed, without its token and credentials',
    run: async (client) => {
      const { taskId, made } = await hooked(client, { ...CONFIG, ...SECRETS });
      const got = await client.call('GetTaskPushNotificationConfig', { taskId, id: CONFIG.id });
      const { configs } = await client.call('ListTaskPushNotificationConfigs', { taskId });
      return [made, got, configs?.[0]].map((config) => ({ config, keys: keysOf(config) }));
    },
    expected: [1, 2, 3].map(() => ({ config: { ...SHOWN, authentication: { scheme: 'Bearer' } }, keys: KEYS })),
  },
  {
    name: 'a webhook without an id gets one, and there may be several',
    run: async (client) => {
      const { taskId, made } = await hooked(client, { url: HOOK });
      const other = await client.call('CreateTaskPushNotificationConfig', { taskId, url: HOOK });
      return { made, other, count: (await idsOf(client, { taskId })).length };
    },
    expected: { made: { id: 'id-1', taskId: 'id-2' }, other: { id: 'id-3', taskId: 'id-2' }, count: 2 },
  },
  {
    name: 'a webhook of the same id takes the place of the one before',
    run: async (client) => {
      const { taskId } = await hooked(client, { ...CONFIG, ...SECRETS });
      await client.call('CreateTaskPushNotificationConfig', {
        taskId,
        id: CONFIG.id,
        url: 'https://webhook.invalid/other',
      });
      return (await client.call('ListTaskPushNotificationConfigs', { taskId })).configs;
    },
    expected: [{ id: CONFIG.id, url: 'https://webhook.invalid/other' }],
  },
  {
    name: 'the same id stands at many tasks',
    run: async (client) => {
      const [one, two] = [
        await hooked(client),
        await hooked(client, { ...CONFIG, url: 'https://webhook.invalid/two' }),
      ];
      await client.call('DeleteTaskPushNotificationConfig', { taskId: one.taskId, id: CONFIG.id });
      return client.call('GetTaskPushNotificationConfig', { taskId: two.taskId, id: CONFIG.id });
    },
    expected: { url: 'https://webhook.invalid/two' },
  },
  {
    name: 'a task that lives has webhooks as well',
    run: async (client) => {
      const { id: taskId } = await start(client, 'tck-input-required');
      await client.call('CreateTaskPushNotificationConfig', { taskId, ...CONFIG });
      const ids = await idsOf(client, { taskId });
      await client.call('CancelTask', { id: taskId });
      return { ids, afterwards: await idsOf(client, { taskId }) };
    },
    expected: { ids: [CONFIG.id], afterwards: [CONFIG.id] },
  },
  {
    name: 'webhooks are listed page by page, each once',
    run: async (client) => {
      const { taskId } = await hooked(client, { id: 'a', url: HOOK });
      for (const id of ['b', 'c']) await client.call('CreateTaskPushNotificationConfig', { taskId, id, url: HOOK });
      const first = await client.call('ListTaskPushNotificationConfigs', { taskId, pageSize: 2 });
      const pageToken = first.nextPageToken ?? '';
      const second = await client.call('ListTaskPushNotificationConfigs', { taskId, pageSize: 2, pageToken });
      return {
        sizes: [first.configs?.length, second.configs?.length],
        ids: [...first.configs!, ...second.configs!].map(({ id }) => id).sort(),
        more: [pageToken !== '', (second.nextPageToken ?? '') !== ''],
      };
    },
    expected: { sizes: [2, 1], ids: ['a', 'b', 'c'], more: [true, false] },
  },
  {
    name: 'a task without webhooks has an empty list',
    run: async (client) => idsOf(client, { taskId: (await send(client, 'x')).id }),
    expected: [],
  },
  {
    name: 'a webhook is deleted, again and again',
    run: async (client) => {
      const { taskId } = await hooked(client);
      const request = { taskId, id: CONFIG.id };
      const answers = [];
      for (let i = 0; i < 2; i++) answers.push(await client.call('DeleteTaskPushNotificationConfig', request));
      return { answers, ids: await idsOf(client, { taskId }) };
    },
    expected: { answers: [{}, {}], ids: [] },
  },
  {
    name: 'a webhook that is not there is TaskNotFound',
    run: async (client) => {
      const { id: taskId } = await send(client, 'x');
      return client.call('GetTaskPushNotificationConfig', { taskId, id: 'nothing' });
    },
    expected: NOT_FOUND,
  },
  ...pushRequests(UNKNOWN_ID).map(([operation, request]): Row => ({
    name: `${operation} of an unknown task is TaskNotFound`,
    run: calls(operation, request),
    expected: NOT_FOUND,
  })),
  ...pushRequests('').map(([operation], index): Row => ({
    name: `${operation} of another tenant's task is TaskNotFound`,
    run: async (client) => {
      const { taskId } = await hooked(client);
      return client.call(operation, { ...pushRequests(taskId)[index]![1], tenant: 'other' });
    },
    expected: NOT_FOUND,
  })),
  ...pushRequests(UNKNOWN_ID).map(([operation, request]): Row => ({
    name: `${operation} at an agent whose card says no is PushNotificationNotSupported, whatever the task`,
    agent: 'reduced',
    run: calls(operation, request),
    expected: NO_PUSH,
  })),
  {
    name: 'a message with a webhook to an agent whose card says no is PushNotificationNotSupported, and makes no task',
    agent: 'reduced',
    run: async (client) => {
      const contextId = `no-push-${client.binding}`;
      const request = sending({ contextId, parts: [{ text: 'x' }] });
      const configuration = { taskPushNotificationConfig: { url: HOOK } };
      const error = await client.call('SendMessage', { ...request, configuration }).catch((thrown: unknown) => thrown);
      const { totalSize = 0 } = await client.call('ListTasks', { contextId });
      return { reason: (error as { reason?: string }).reason, totalSize };
    },
    expected: { reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED', totalSize: 0 },
  },
  {
    name: 'a message brings a webhook of the task that it makes',
    run: async (client) => {
      const { task } = await client.call('SendMessage', sendingWith({ ...CONFIG, ...SECRETS }));
      const config = await client.call('GetTaskPushNotificationConfig', { taskId: task!.id!, id: CONFIG.id });
      return { config, keys: keysOf(config) };
    },
    expected: { config: { ...SHOWN, authentication: { scheme: 'Bearer' } }, keys: KEYS },
  },
  {
    name: 'a message brings a webhook of the task that it goes on with',
    run: async (client) => {
      const { id: taskId } = await send(client, 'tck-input-required');
      const configuration = { taskPushNotificationConfig: CONFIG };
      await client.call('SendMessage', { ...sending('more', { taskId }), configuration });
      return idsOf(client, { taskId });
    },
    expected: [CONFIG.id],
  },
  {
    name: 'a message that is streamed brings a webhook as well',
    run: async (client) => {
      const events = (await streams('SendStreamingMessage', sendingWith(CONFIG))(client)) as {
        task?: { id: string };
      }[];
      return idsOf(client, { taskId: events[0]!.task!.id });
    },
    expected: [CONFIG.id],
  },
  {
    name: 'the secret of a webhook stands beside the answer of the call that makes it, anew each time, and of no other',
    run: async (client) => {
      const secrets: (string | undefined)[] = [];
      const telling = {
        onHeaders: (header: (name: string) => string | undefined) => void secrets.push(header('webhook-secret')),
      };
      const { task } = await client.call('SendMessage', sendingWith(CONFIG), telling);
      const taskId = task!.id!;
      for (let i = 0; i < 2; i++) await client.call('CreateTaskPushNotificationConfig', { taskId, ...CONFIG }, telling);
      await (await client.open('SendStreamingMessage', sendingWith(CONFIG), telling)).all();
      await client.call('GetTaskPushNotificationConfig', { taskId, id: CONFIG.id }, telling);
      await client.call('ListTaskPushNotificationConfigs', { taskId }, telling);
      return { secrets: secrets.map((secret) => secret?.slice(0, 6) ?? 'none'), distinct: new Set(secrets).size };
    },
    expected: { secrets: ['whsec_', 'whsec_', 'whsec_', 'whsec_', 'none', 'none'], distinct: 5 },
  },
  {
    name: 'a webhook is made with a filter',
    run: creates(CONFIG, { parameters: { 'push-filter': 'states=completed, failed; artifacts=false' } }),
    expected: SHOWN,
  },
  ...['states=done', 'artifacts', 'messages=true', 'artifacts=true; artifacts=false'].map((filter): Row => ({
    name: `the filter ${filter} is refused`,
    run: creates(CONFIG, { parameters: { 'push-filter': filter } }),
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'Push-Filter' }] } },
  })),
  ...['not a url', 'ftp://example.com/', 'http://127.0.0.1:9/', 'http://169.254.169.254/latest/'].flatMap((url) =>
    invalid(`a webhook at ${url}`, ['url'], { url }),
  ),
  ...invalid('a token with a line end', ['token'], { url: HOOK, token: 'a\r\nX-Evil: 1' }),
  ...invalid('a scheme with a line end', ['authentication.scheme'], {
    url: HOOK,
    authentication: { scheme: 'Bearer\r\nX-Evil: 1', credentials: 'x' },
  }),
  ...invalid('credentials with a line end', ['authentication.credentials'], {
    url: HOOK,
    authentication: { scheme: 'Bearer', credentials: 'a\nb' },
  }),
  ...invalid('an authentication without a scheme', ['authentication.scheme'], {
    url: HOOK,
    authentication: { credentials: 'x' },
  }),
  {
    name: 'a page of webhooks by a token of somebody else is refused',
    run: async (client) => {
      const { taskId } = await hooked(client);
      return client.call('ListTaskPushNotificationConfigs', { taskId, pageToken: 'abc' });
    },
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'pageToken' }] } },
  },
  {
    name: 'a page of -1 webhooks is refused',
    run: async (client) => {
      const { taskId } = await hooked(client);
      return client.call('ListTaskPushNotificationConfigs', { taskId, pageSize: -1 });
    },
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'pageSize' }] } },
  },
];
