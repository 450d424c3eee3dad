import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { ProtocolError } from '../support/protocol-client.js';
import { useProtocolServer } from '../support/protocol-client-server.js';
import { AGENT_FOLDERS } from './agent-folders.js';
import { expectAlike } from './expect-alike.js';
import { calls, type Row, send, sending } from './row.js';

const PATIENCE = { timeout: 10_000 };

const server = useProtocolServer(AGENT_FOLDERS, {
  maxStreams: 1,
  maxPartsPerMessage: 2,
  maxPushConfigs: 2,
  secretKeys: [randomBytes(32)],
});

/** What a server with narrow limits refuses. */
const ROWS: readonly Row[] = [
  {
    name: 'a stream over the limit is RESOURCE_EXHAUSTED with advice when to come back, until another one is closed',
    run: async (client) => {
      const { id } = await send(client, 'tck-input-required');
      const subscribe = () => client.open('SubscribeToTask', { id });
      const first = await subscribe();
      const refused = await subscribe().catch((error: unknown) => error);
      first.close();
      await expect.poll(() => subscribe().then((stream) => stream.close()), PATIENCE).toBeUndefined();
      // The room of the last one comes back as well, before the next binding wants it.
      await expect
        .poll(() => client.open('SubscribeToTask', { id: 'x' }).catch(reasonOf), PATIENCE)
        .toBe('TASK_NOT_FOUND');
      const { status, retryDelay } = refused as ProtocolError;
      return { status, retryDelay };
    },
    expected: { status: 'RESOURCE_EXHAUSTED', retryDelay: '1s' },
  },
  {
    name: 'a webhook too many is RESOURCE_EXHAUSTED, with and without a message; one that is there may be replaced',
    run: async (client) => {
      const { id: taskId } = await send(client, 'tck-input-required');
      const create = (id: string) => client.call('CreateTaskPushNotificationConfig', { taskId, ...hook(id) });
      for (const id of ['a', 'b', 'a']) await create(id);
      const inline = { ...sending('done', { taskId }), configuration: { taskPushNotificationConfig: hook('c') } };
      const refused = [create('c'), client.call('SendMessage', inline)].map((call) =>
        call.catch((error: unknown) => error),
      );
      const states = await Promise.all([...refused, client.call('GetTask', { id: taskId })]);
      const [created, sent, task] = states as [ProtocolError, ProtocolError, { status: unknown }];
      return { created: created.status, sent: sent.status, message: sent.message, task: task.status };
    },
    expected: {
      ...{ created: 'RESOURCE_EXHAUSTED', sent: 'RESOURCE_EXHAUSTED', message: expect.stringContaining('2 webhooks') },
      task: { state: 'TASK_STATE_INPUT_REQUIRED' },
    },
  },
  {
    name: 'a message of too many parts is refused, and the refusal says how many there may be',
    run: calls('SendMessage', sending([{ text: 'a' }, { text: 'b' }, { text: 'c' }])),
    expected: {
      error: {
        status: 'INVALID_ARGUMENT',
        violations: [{ field: 'message.parts', description: 'has 3 parts; the limit is 2' }],
      },
    },
  },
];

it.each(ROWS)('$name', (row) => expectAlike(row, server.client));

function hook(id: string) {
  return { id, url: 'https://webhook.invalid/' };
}

function reasonOf(error: unknown): unknown {
  return error instanceof ProtocolError ? error.reason : error;
}
