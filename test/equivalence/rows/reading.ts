import { randomUUID } from 'node:crypto';
import { type ProtocolClient } from '../../support/protocol-client.js';
import { calls, type Row, send, start, UNKNOWN_ID } from '../row.js';

/** Three tasks in a context of their own, oldest first: completed with an artifact, failed, waiting for input. */
async function threeTasks(client: ProtocolClient): Promise<{ contextId: string; ids: string[] }> {
  const contextId = randomUUID();
  const ids: string[] = [];
  for (const text of ['tck-artifact-text', 'tck-task-failure', 'tck-input-required']) {
    ids.push((await send(client, { contextId, parts: [{ text }] })).id);
  }
  return { contextId, ids };
}

/** GetTask, ListTasks and CancelTask. */
export const READING: readonly Row[] = [
  {
    name: 'GetTask gives the task that SendMessage gave',
    run: async (client) => {
      const sent = await send(client, 'tck-artifact-data');
      return { sent, got: await client.call('GetTask', { id: sent.id }) };
    },
    expected: {
      sent: { status: { state: 'TASK_STATE_COMPLETED' } },
      got: {
        status: { state: 'TASK_STATE_COMPLETED' },
        artifacts: [{ parts: [{ data: { key: 'value', count: 42 } }] }],
      },
    },
  },
  {
    name: 'historyLength of GetTask: none asked for is all, 0 is none, 1 is the newest',
    run: async (client) => {
      const { id } = await send(client, 'tck-multi-turn one');
      await send(client, 'two done', { taskId: id });
      const texts = async (request: object) =>
        (await client.call('GetTask', { id, ...request })).history?.map(({ parts }) => parts?.[0]?.text) ?? 'absent';
      return [
        await texts({}),
        await texts({ historyLength: 0 }),
        await texts({ historyLength: 1 }),
        await texts({ historyLength: 99 }),
      ];
    },
    expected: [
      ['tck-multi-turn one', 'Please say more', 'two done'],
      'absent',
      ['two done'],
      ['tck-multi-turn one', 'Please say more', 'two done'],
    ],
  },
  {
    name: 'ListTasks gives the tasks of a context, newest first, without artifacts, with totals',
    run: async (client) => {
      const { contextId, ids } = await threeTasks(client);
      const { tasks = [], ...rest } = await client.call('ListTasks', { contextId });
      return {
        ...rest,
        newestFirst: tasks.map(({ id }) => ids.indexOf(id!)),
        artifacts: tasks.some((task) => 'artifacts' in task),
      };
    },
    expected: { pageSize: 50, totalSize: 3, newestFirst: [2, 1, 0], artifacts: false },
  },
  {
    name: 'ListTasks pages by a token until there is none',
    run: async (client) => {
      const { contextId, ids } = await threeTasks(client);
      const first = await client.call('ListTasks', { contextId, pageSize: 2 });
      const second = await client.call('ListTasks', { contextId, pageSize: 2, pageToken: first.nextPageToken! });
      const pages = [first, second].map(({ tasks = [] }) => tasks.map(({ id }) => ids.indexOf(id!)));
      return { pages, more: [first, second].map(({ nextPageToken = '' }) => nextPageToken !== '') };
    },
    expected: { pages: [[2, 1], [0]], more: [true, false] },
  },
  {
    name: 'ListTasks gives artifacts and so much history as it is asked for',
    run: async (client) => {
      const { contextId } = await threeTasks(client);
      const { tasks = [] } = await client.call('ListTasks', {
        contextId,
        includeArtifacts: true,
        historyLength: 0,
        status: 'TASK_STATE_COMPLETED',
      });
      return tasks;
    },
    expected: [{ artifacts: [{ parts: [{ text: 'Generated text content' }] }] }],
  },
  {
    name: 'ListTasks filters by state and by time',
    run: async (client) => {
      const { contextId, ids } = await threeTasks(client);
      const failed = await client.call('GetTask', { id: ids[1]! });
      const list = async (filter: object) =>
        (await client.call('ListTasks', { contextId, ...filter })).tasks?.map(({ id }) => ids.indexOf(id!)) ?? [];
      return {
        waiting: await list({ status: 'TASK_STATE_INPUT_REQUIRED' }),
        canceled: await list({ status: 'TASK_STATE_CANCELED' }),
        since: await list({ statusTimestampAfter: failed.status!.timestamp! }),
        future: await list({ statusTimestampAfter: '2100-01-01T00:00:00Z' }),
      };
    },
    expected: { waiting: [2], canceled: [], since: [2, 1], future: [] },
  },
  {
    name: 'ListTasks of a context without tasks is empty',
    run: async (client) => client.call('ListTasks', { contextId: randomUUID() }),
    expected: { pageSize: 50 },
  },
  {
    name: 'CancelTask ends a task that waits, for whoever reads it afterwards',
    run: async (client) => {
      const { id } = await send(client, 'tck-input-required');
      const canceled = await client.call('CancelTask', { id });
      return [canceled, await client.call('GetTask', { id })];
    },
    expected: [{ status: { state: 'TASK_STATE_CANCELED' } }, { status: { state: 'TASK_STATE_CANCELED' } }],
  },
  {
    name: 'CancelTask takes metadata',
    run: async (client) => {
      const { id } = await start(client, 'tck-cancel');
      return (await client.call('CancelTask', { id, metadata: { why: 'changed my mind' } })).status;
    },
    expected: { state: 'TASK_STATE_CANCELED' },
  },
  {
    name: 'ids are not case sensitive',
    run: async (client) => {
      const { id } = await send(client, 'tck-complete-task');
      return (await client.call('GetTask', { id: id.toUpperCase() })).id === id;
    },
    expected: true,
  },
  {
    name: 'a task of another tenant is not there',
    agent: 'talker',
    run: strangersTask,
    expected: { error: { reason: 'TASK_NOT_FOUND' } },
  },
  {
    name: 'an unknown task is not there',
    run: calls('GetTask', { id: UNKNOWN_ID }),
    expected: { error: { reason: 'TASK_NOT_FOUND' } },
  },
];

/** Reads a neighbour's task as somebody else. */
async function strangersTask(client: ProtocolClient) {
  const { id } = await send(client, 'go', { tenant: 'neighbour' });
  return client.call('GetTask', { id, tenant: 'stranger' });
}
