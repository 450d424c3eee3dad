import { type JsonObject } from '@bufbuild/protobuf';
import { expect, vi } from 'vitest';
import { StreamResponseSchema } from '#protocol';
import { pushRequests } from '../../equivalence/rows/push.js';
import { send, sending, start } from '../../equivalence/row.js';
import { type ProtocolClient } from '../../support/protocol-client.js';
import { canonical } from '../../support/protocol-client-messages.js';
import { type ReceivedWebhook, WebhookReceiver } from '../../support/webhook-receiver.js';
import { type ConformanceCase, refusal, UNKNOWN_ID, type World } from '../case.js';

/** At a name that no resolver knows (RFC 6761): nothing is ever sent there. */
const CONFIG = { id: 'tck-push-1', url: 'https://webhook.invalid/tck-push-webhook' };
const CREDENTIALS = { token: 'tck-token', authentication: { scheme: 'Bearer', credentials: 'tck-credentials' } };

const create = (client: ProtocolClient, taskId: string, config: JsonObject = CONFIG) =>
  client.call('CreateTaskPushNotificationConfig', { taskId, ...config });
const get = (client: ProtocolClient, taskId: string, id = CONFIG.id) =>
  client.call('GetTaskPushNotificationConfig', { taskId, id });
const drop = (client: ProtocolClient, taskId: string, id = CONFIG.id) =>
  client.call('DeleteTaskPushNotificationConfig', { taskId, id });

/** A case that has something to tell a receiver of: it gets the receiver's address. */
function delivered(
  name: string,
  requirements: readonly string[],
  run: (world: World, receiver: WebhookReceiver, url: string) => Promise<void>,
): ConformanceCase {
  const withReceiver = async (world: World) => {
    const receiver = await WebhookReceiver.start();
    try {
      await run(world, receiver, receiver.url('/webhook').replace('127.0.0.1', 'localhost'));
    } finally {
      await receiver.stop();
    }
  };
  return { name, requirements, run: withReceiver };
}

/** Resolves with all that has come, as soon as the task's end is among it. */
async function untilEnded({ received }: WebhookReceiver): Promise<readonly ReceivedWebhook[]> {
  await vi.waitFor(() => expect(received.map(stateOf)).toContain('TASK_STATE_COMPLETED'), { timeout: 15_000 });
  return received;
}

function stateOf({ event }: ReceivedWebhook): string | undefined {
  return (event.task ?? event.statusUpdate)?.status?.state;
}

function kindOf({ event }: ReceivedWebhook): string {
  return Object.keys(event).join();
}

/** A send with a webhook at this address. */
function sendingWith(url: string, text: string, config: JsonObject = {}): JsonObject {
  return { ...sending(text), configuration: { taskPushNotificationConfig: { url, ...config } } };
}

/** Webhooks. */
export const PUSH: readonly ConformanceCase[] = [
  {
    name: 'a webhook of a task that has ended is made under its client’s id, read and listed',
    requirements: ['PUSH-CREATE-001', 'PUSH-GET-001', 'PUSH-LIST-001'],
    run: async ({ client }) => {
      const { id: taskId } = await send(client, 'tck-complete-task');
      expect(await create(client, taskId)).toMatchObject({ ...CONFIG, taskId });
      await create(client, taskId, { ...CONFIG, id: 'tck-push-2' });
      expect(await get(client, taskId)).toMatchObject({ ...CONFIG, taskId });
      const { configs } = await client.call('ListTaskPushNotificationConfigs', { taskId });
      expect(configs!.map(({ id }) => id).sort()).toEqual(['tck-push-1', 'tck-push-2']);
    },
  },
  {
    name: 'the same id stands for one webhook of each task, and stays until it is deleted there',
    requirements: ['PUSH-CREATE-002', 'PUSH-DEL-001'],
    run: async ({ client }) => {
      const { id: living } = await start(client, 'tck-input-required');
      const { id: ended } = await send(client, 'tck-complete-task');
      for (const taskId of [living, ended]) await create(client, taskId);
      await drop(client, ended);
      await send(client, 'done', { taskId: living });
      expect(await get(client, living)).toMatchObject(CONFIG);
      expect((await client.call('ListTaskPushNotificationConfigs', { taskId: ended })).configs ?? []).toEqual([]);
    },
  },
  {
    name: 'a webhook that is not there is TaskNotFound to read, and deleted again and again without an error',
    requirements: ['PUSH-GET-002', 'PUSH-DEL-002', 'ACTS PUSH-ERR-001', 'ACTS PUSH-IDEM-001'],
    run: async ({ client }) => {
      const { id: taskId } = await send(client, 'tck-complete-task');
      await create(client, taskId);
      for (let i = 0; i < 2; i++) expect(await drop(client, taskId)).toEqual({});
      for (const id of [CONFIG.id, 'tck-nonexistent']) {
        expect((await refusal(get(client, taskId, id))).reason).toBe('TASK_NOT_FOUND');
      }
    },
  },
  {
    name: 'webhooks of a task that is not there are TaskNotFound, whatever is asked',
    requirements: ['CORE-ERR-001', 'AUTH-SCOPE-003'],
    run: async ({ client }) => {
      for (const taskId of [UNKNOWN_ID, 't']) {
        for (const [operation, request] of pushRequests(taskId)) {
          expect((await refusal(client.call(operation, request))).reason).toBe('TASK_NOT_FOUND');
        }
      }
    },
  },
  {
    name: 'an agent whose card has no pushNotifications refuses webhooks, whether the task is there or not',
    requirements: ['CORE-CAP-001'],
    run: async ({ at }) => {
      const client = at('reduced');
      const { id } = await send(client, 'tck-complete-task');
      for (const taskId of [id, UNKNOWN_ID, 't']) {
        for (const [operation, request] of pushRequests(taskId)) {
          expect((await refusal(client.call(operation, request))).reason).toBe('PUSH_NOTIFICATION_NOT_SUPPORTED');
        }
      }
      const sent = client.call('SendMessage', sendingWith(CONFIG.url, 'tck-complete-task'));
      expect((await refusal(sent)).reason).toBe('PUSH_NOTIFICATION_NOT_SUPPORTED');
    },
  },
  delivered(
    'a webhook that comes with a message is told of the task, with its credentials and token exactly as they were given',
    [...['PUSH-DELIVER-001', 'PUSH-DELIVER-002', 'ACTS PUSH-DELIV-001'], ...['ACTS SEC-PUSH-001', 'ACTS SEC-PUSH-002']],
    async ({ client }, receiver, url) => {
      const { task } = await client.call('SendMessage', sendingWith(url, 'tck-complete-task', CREDENTIALS));
      const [first] = await untilEnded(receiver);
      expect(first!.event.task).toMatchObject({ id: task!.id, contextId: task!.contextId });
      for (const { headers, path } of receiver.received) {
        expect(path).toBe('/webhook');
        expect(headers.authorization).toBe('Bearer tck-credentials');
        expect(headers['x-a2a-notification-token']).toBe('tck-token');
      }
    },
  ),
  delivered(
    'what a webhook is sent is one StreamResponse with exactly one member, of A2A’s type and a length that is told',
    ['PUSH-DELIVER-003', 'ACTS PUSH-DELIV-002', 'DM-SERIAL-001'],
    async ({ client }, receiver, url) => {
      await client.call('SendMessage', sendingWith(url, 'tck-artifact-text'));
      for (const { headers, body } of await untilEnded(receiver)) {
        const json = JSON.parse(body) as JsonObject;
        expect(Object.keys(json)).toHaveLength(1);
        expect(canonical(StreamResponseSchema, json)).toEqual(json);
        expect(headers['content-type']).toBe('application/a2a+json');
        expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
        expect(headers['transfer-encoding']).toBeUndefined();
      }
    },
  ),
  delivered(
    'a webhook is told of every event in its order, from the first to the end of the task',
    ['ACTS PUSH-DELIV-003', 'STREAM-ORDER-001'],
    async ({ client }, receiver, url) => {
      const stream = await client.open('SendStreamingMessage', sendingWith(url, 'tck-artifact-text'));
      const streamed = await stream.all();
      const told = await untilEnded(receiver);
      expect(told.map(kindOf)[0]).toBe('task');
      expect(told.filter((webhook) => kindOf(webhook) === 'artifactUpdate')).toHaveLength(1);
      expect(told.at(-1)!.event).toEqual(streamed.at(-1)!.response);
      expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
    },
  ),
  delivered(
    'a webhook of a task under way is told of what follows, and nothing once it is deleted',
    ['PUSH-CREATE-002', 'PUSH-DEL-001', 'PUSH-DELIVER-002'],
    async ({ client }, receiver, url) => {
      const { id: taskId } = await send(client, 'tck-input-required');
      for (const id of ['deleted', 'kept']) await create(client, taskId, { id, url: `${url}/${id}` });
      await drop(client, taskId, 'deleted');
      await send(client, 'done', { taskId });
      await untilEnded(receiver);
      expect(new Set(receiver.received.map(({ path }) => path))).toEqual(new Set(['/webhook/kept']));
    },
  ),
];
