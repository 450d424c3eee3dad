import { randomUUID } from 'node:crypto';
import { type JsonObject } from '@bufbuild/protobuf';
import { type ProtocolClient } from '../../support/protocol-client.js';
import { calls, responses, type Row, send, sending, start, UNKNOWN_ID, versionRefusal } from '../row.js';

/** Sends the same request twice under one key. */
function twice(first: JsonObject, second: JsonObject = first): Row['run'] {
  return async (client) => {
    const options = { parameters: { 'idempotency-key': randomUUID() } };
    const one = await client.call('SendMessage', first, options);
    const two = await client.call('SendMessage', second, options);
    return { same: one.task!.id === two.task!.id };
  };
}

async function total(client: ProtocolClient, request: JsonObject): Promise<number> {
  return (await client.call('ListTasks', request)).totalSize ?? 0;
}

const warm = { parameters: { 'a2a-extensions': 'https://example.com/warm, https://example.com/unknown' } };

/** Service parameters (versions, extensions, idempotency), tenants and routing. */
export const PARAMETERS: readonly Row[] = [
  ...['1.0', '1.0.0', '1.0.17'].map((version): Row => ({
    name: `version ${version} is served`,
    run: calls('ListTasks', { contextId: 'nothing' }, { parameters: { 'a2a-version': version } }),
    expected: { pageSize: 50 },
  })),
  ...['1.1', '2.0', 'latest'].map((version): Row => ({
    name: `version ${version} is refused, and the refusal repeats it`,
    run: (client) => versionRefusal(client.call('ListTasks', {}, { parameters: { 'a2a-version': version } })),
    expected: { error: { reason: 'VERSION_NOT_SUPPORTED' }, requestedVersion: version },
  })),
  {
    name: 'extensions that agent and client know are activated, others are ignored',
    agent: 'talker',
    run: async (client) => (await send(client, 'go', {}, warm)).status?.message?.parts,
    expected: [{ data: { extensions: ['https://example.com/warm'] } }],
  },
  { name: 'the same call under one key gives one task', run: twice(sending('x')), expected: { same: true } },
  {
    name: 'another call under the same key is refused',
    run: twice(sending('x'), sending('y')),
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'Idempotency-Key' }] } },
  },
  {
    name: 'a stream under the key of a send shows its task',
    run: async (client) => {
      const options = { parameters: { 'idempotency-key': randomUUID() } };
      const request = sending('tck-complete-task');
      const { task } = await client.call('SendMessage', request, options);
      const events = await responses(await client.open('SendStreamingMessage', request, options));
      return { events: events.length, same: events[0]?.task?.id === task?.id };
    },
    expected: { events: 1, same: true },
  },
  {
    name: 'a key may stand in the metadata of the request',
    run: async (client) => {
      const request = sending('x', { metadata: { 'idempotency-key': randomUUID() } });
      const [one, two] = [await client.call('SendMessage', request), await client.call('SendMessage', request)];
      return { same: one.task!.id === two.task!.id };
    },
    expected: { same: true },
  },
  {
    name: 'two keys that differ are refused',
    run: calls('SendMessage', sending('x', { metadata: { 'idempotency-key': 'a' } }), {
      parameters: { 'idempotency-key': 'b' },
    }),
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'Idempotency-Key' }] } },
  },
  {
    name: 'the same message without a key makes two tasks',
    run: async (client) => {
      const request = sending('x');
      const [one, two] = [await client.call('SendMessage', request), await client.call('SendMessage', request)];
      return { same: one.task!.id === two.task!.id };
    },
    expected: { same: false },
  },
  {
    name: 'what the handler hears of the tenant is what the client said',
    agent: 'talker',
    run: async (client) => (await send(client, 'go', { tenant: 'acme' })).status?.message?.parts,
    expected: [{ data: { tenant: 'acme' } }],
  },
  {
    name: 'a tenant sees its own tasks alone, by any operation',
    run: async (client) => {
      const contextId = randomUUID();
      const { id } = await start(client, { contextId, parts: [{ text: 'tck-input-required' }] }, { tenant: 'acme' });
      const of = (tenant: string) => ({ own: { id, tenant }, list: { contextId, tenant } });
      const refusal = async (call: Promise<unknown>) =>
        call.then(
          () => 'done',
          (error: { reason: string }) => error.reason,
        );
      return {
        lists: [
          await total(client, of('acme').list),
          await total(client, of('other').list),
          await total(client, { contextId }),
        ],
        get: await refusal(client.call('GetTask', of('other').own)),
        subscribe: await refusal(client.open('SubscribeToTask', of('other').own)),
        send: await refusal(client.call('SendMessage', sending('x', { taskId: id, tenant: 'other' }))),
        cancel: await refusal(client.call('CancelTask', of('other').own)),
        nobody: await refusal(client.call('CancelTask', { id })),
        mine: await refusal(client.call('CancelTask', of('acme').own)),
      };
    },
    expected: {
      lists: [1, 0, 0],
      get: 'TASK_NOT_FOUND',
      subscribe: 'TASK_NOT_FOUND',
      send: 'TASK_NOT_FOUND',
      cancel: 'TASK_NOT_FOUND',
      nobody: 'TASK_NOT_FOUND',
      mine: 'done',
    },
  },
  {
    name: 'a tenant that is no key is refused',
    run: calls('GetTask', { id: UNKNOWN_ID, tenant: 'a b' }),
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'tenant' }] } },
  },
  {
    name: 'an agent that is not there is answered like a task that is not there',
    agent: 'nobody',
    run: calls('ListTasks'),
    expected: { error: { status: 'NOT_FOUND', reason: 'TASK_NOT_FOUND' } },
  },
];
