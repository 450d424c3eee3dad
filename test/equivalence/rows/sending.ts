import { expect } from 'vitest';
import { stateOf } from '../../support/protocol-client.js';
import { calls, type Row, send, sending, start } from '../row.js';

const completed = { state: 'TASK_STATE_COMPLETED', timestamp: 'time' };

/** SendMessage of a text, and the task that comes of it. */
function becomes(name: string, text: string, task: object): Row {
  return { name, run: calls('SendMessage', sending(text)), expected: { task } };
}

/** SendMessage: what a message becomes, every state of a task, and what the caller may say about the answer. */
export const SENDING: readonly Row[] = [
  becomes('a message becomes a task that ends as COMPLETED, with its times', 'tck-complete-task', {
    id: expect.stringMatching(/^id-/),
    contextId: expect.stringMatching(/^id-/),
    status: { ...completed, message: { role: 'ROLE_AGENT', parts: [{ text: 'Hello from TCK' }] } },
    history: [{ role: 'ROLE_USER', parts: [{ text: 'tck-complete-task' }] }],
    metadata: { createdAt: 'time', lastModified: 'time' },
  }),
  becomes('a task may end as FAILED', 'tck-task-failure', { status: { state: 'TASK_STATE_FAILED' } }),
  becomes('a task may end as REJECTED', 'tck-reject-task', { status: { state: 'TASK_STATE_REJECTED' } }),
  becomes('a task may wait as INPUT_REQUIRED', 'tck-input-required', {
    status: { state: 'TASK_STATE_INPUT_REQUIRED', message: { parts: [{ text: 'Please say more' }] } },
  }),
  becomes('a task may wait as AUTH_REQUIRED', 'tck-auth-required', {
    status: { state: 'TASK_STATE_AUTH_REQUIRED', message: { role: 'ROLE_AGENT' } },
  }),
  {
    name: 'a task is WORKING while its handler runs, and CANCELED afterwards',
    run: async (client) => {
      const { id } = await start(client, 'tck-cancel');
      const stream = await client.open('SubscribeToTask', { id });
      const working = stateOf(await stream.until((event) => stateOf(event) === 'TASK_STATE_WORKING'));
      stream.close();
      return { working, canceled: await client.call('CancelTask', { id }) };
    },
    expected: {
      working: 'TASK_STATE_WORKING',
      canceled: { status: { state: 'TASK_STATE_CANCELED', timestamp: 'time' } },
    },
  },
  {
    name: 'a task is SUBMITTED while there is no room to run it',
    agent: 'single',
    run: async (client) => {
      const running = await start(client, 'first');
      const waiting = await start(client, 'second');
      await client.call('CancelTask', { id: waiting.id });
      await client.call('CancelTask', { id: running.id });
      return waiting;
    },
    expected: { status: { state: 'TASK_STATE_SUBMITTED' } },
  },
  {
    name: 'a crash of the handler fails the task without its text',
    agent: 'crasher',
    run: async (client) => {
      const task = await send(client, 'go');
      return { state: task.status?.state, told: JSON.stringify(task).includes('swordfish') };
    },
    expected: { state: 'TASK_STATE_FAILED', told: false },
  },
  becomes('an artifact may be text', 'tck-artifact-text', {
    artifacts: [{ artifactId: expect.any(String), parts: [{ text: 'Generated text content' }] }],
  }),
  becomes('an artifact may be a file by value', 'tck-artifact-file', {
    artifacts: [
      { name: 'output.txt', parts: [{ filename: 'output.txt', mediaType: 'text/plain', raw: expect.any(String) }] },
    ],
  }),
  becomes('an artifact may be a file by address', 'tck-artifact-file-url', {
    artifacts: [
      { parts: [{ filename: 'output.txt', mediaType: 'text/plain', url: 'https://example.com/output.txt' }] },
    ],
  }),
  becomes('an artifact may be data', 'tck-artifact-data', {
    artifacts: [{ parts: [{ data: { key: 'value', count: 42 } }] }],
  }),
  {
    name: 'a message with every kind of part and metadata comes back as it was sent',
    run: async (client) => {
      const parts = [
        { text: 'tck-complete-task ünïcödé 🙂' },
        { raw: '/wD+', mediaType: 'application/octet-stream', filename: 'f.bin' },
        { url: 'https://example.com/a?b=c', mediaType: 'text/plain' },
        { data: { nested: [1, 2.5, -3, true, null, 'x', {}] }, metadata: { lang: 'en' } },
        { data: null },
        { data: [] },
        { data: 'text as data' },
      ];
      const message = {
        parts,
        contextId: 'my context',
        metadata: { a: { b: [1] } },
        extensions: ['urn:x'],
        referenceTaskIds: ['t'],
      };
      const { contextId, history } = await send(client, message);
      return { contextId, history };
    },
    expected: {
      contextId: 'my context',
      history: [
        {
          contextId: 'my context',
          metadata: { a: { b: [1] } },
          extensions: ['urn:x'],
          referenceTaskIds: ['t'],
          parts: [
            { text: 'tck-complete-task ünïcödé 🙂' },
            { raw: '/wD+', mediaType: 'application/octet-stream', filename: 'f.bin' },
            { url: 'https://example.com/a?b=c' },
            { data: { nested: [1, 2.5, -3, true, null, 'x', {}] }, metadata: { lang: 'en' } },
            { data: null },
            { data: [] },
            { data: 'text as data' },
          ],
        },
      ],
    },
  },
  {
    name: 'returnImmediately answers before the task has ended',
    run: async (client) => {
      const task = await start(client, 'tck-cancel');
      await client.call('CancelTask', { id: task.id });
      return ['TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING'].includes(task.status!.state!);
    },
    expected: true,
  },
  {
    name: 'historyLength 0 leaves the history out of the answer',
    run: async (client) =>
      'history' in (await send(client, 'tck-complete-task', { configuration: { historyLength: 0 } })),
    expected: false,
  },
  {
    name: 'a direct reply is a message of no task',
    agent: 'talker',
    run: calls('SendMessage', sending('Hi')),
    expected: {
      message: {
        messageId: expect.stringMatching(/^id-/),
        contextId: expect.stringMatching(/^id-/),
        role: 'ROLE_AGENT',
        parts: [{ text: 'Hi there' }, { data: { polite: true } }],
      },
    },
  },
  {
    name: 'an answer continues the task, and its history keeps the order of what was said',
    run: async (client) => {
      const asked = await send(client, 'tck-multi-turn one');
      const again = await send(client, 'two', { taskId: asked.id });
      const done = await send(client, 'three, done', { taskId: asked.id });
      return {
        same: again.id === asked.id && done.id === asked.id && done.contextId === asked.contextId,
        states: [asked, again, done].map(({ status }) => status?.state),
        said: done.history?.filter(({ role }) => role === 'ROLE_USER').map(({ parts }) => parts?.[0]?.text),
      };
    },
    expected: {
      same: true,
      states: ['TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_COMPLETED'],
      said: ['tck-multi-turn one', 'two', 'three, done'],
    },
  },
  {
    name: 'an authorisation that was awaited lets the task go on',
    run: async (client) => {
      const { id } = await send(client, 'tck-auth-required');
      return (await send(client, 'granted', { taskId: id })).status;
    },
    expected: { state: 'TASK_STATE_COMPLETED' },
  },
  {
    name: 'the metadata of the request reaches the handler',
    agent: 'talker',
    run: async (client) => (await send(client, 'go', { metadata: { trace: { id: 7 } } })).status?.message?.parts,
    expected: [{ data: { metadata: { trace: { id: 7 } } } }],
  },
];
