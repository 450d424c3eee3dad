import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type TaskJson } from '#protocol';
import { send, sending } from '../../equivalence/row.js';
import { type ConformanceCase, refusal } from '../case.js';

const texts = ({ history = [] }: TaskJson) => history.map(({ parts }) => parts?.[0]?.text);

/** Contexts, tasks of several turns, and what is remembered of them. */
export const CONVERSATIONS: readonly ConformanceCase[] = [
  {
    name: 'a context id of the client’s is kept, whatever its form',
    requirements: ['CORE-MULTI-002', 'ACTS CORE-CTX-001'],
    run: async ({ client }) => {
      const contextId = `tck-client-context-001 / ${'long '.repeat(20)}`;
      expect((await send(client, { contextId, parts: [{ text: 'x' }] })).contextId).toBe(contextId);
    },
  },
  {
    name: 'a context id that is not acceptable is refused, not replaced',
    requirements: ['CORE-MULTI-002a'],
    run: async ({ client }) => {
      const error = await refusal(send(client, { contextId: 'x'.repeat(600), parts: [{ text: 'x' }] }));
      expect(error.violations).toMatchObject([{ field: 'message.contextId' }]);
    },
  },
  {
    name: 'every new task has an id of its own, also for the same message at the same time',
    requirements: ['CORE-MULTI-003'],
    run: async ({ client }) => {
      const request = sending({ messageId: 'tck-input-required-1', parts: [{ text: 'x' }] });
      const answers = await Promise.all(Array.from({ length: 5 }, () => client.call('SendMessage', request)));
      expect(new Set(answers.map(({ task }) => task!.id)).size).toBe(5);
    },
  },
  {
    name: 'a message to an unknown task is TaskNotFound, and makes none',
    requirements: ['CORE-MULTI-004', 'ACTS CORE-MULTI-003'],
    run: async ({ client }) => {
      const contextId = randomUUID();
      const request = sending({ contextId, taskId: 'tck-nonexistent-multi-004', parts: [{ text: 'x' }] });
      expect((await refusal(client.call('SendMessage', request))).reason).toBe('TASK_NOT_FOUND');
      expect((await refusal(client.open('SendStreamingMessage', request))).reason).toBe('TASK_NOT_FOUND');
      expect((await client.call('ListTasks', { contextId })).totalSize ?? 0).toBe(0);
    },
  },
  {
    name: 'the context of a message is that of its task',
    requirements: ['CORE-MULTI-005'],
    run: async ({ client }) => {
      const task = await send(client, { messageId: 'tck-input-required-infer', parts: [{ text: 'x' }] });
      const answered = await send(client, { messageId: 'tck-infer-ctx', parts: [{ text: 'x' }] }, { taskId: task.id });
      expect([answered.id, answered.contextId]).toEqual([task.id, task.contextId]);
      expect(answered.history!.map(({ contextId }) => contextId)).toEqual(answered.history!.map(() => task.contextId));
    },
  },
  {
    name: 'a message that names another context than its task’s is refused, and the task stays as it is',
    requirements: ['CORE-MULTI-006', 'ACTS CORE-MULTI-006'],
    run: async ({ client }) => {
      const task = await send(client, 'tck-input-required');
      const request = sending({ taskId: task.id, contextId: 'tck-wrong-context', parts: [{ text: 'x' }] });
      const error = await refusal(client.call('SendMessage', request));
      expect(error).toMatchObject({ status: 'INVALID_ARGUMENT', violations: [{ field: 'message.contextId' }] });
      expect(await client.call('GetTask', { id: task.id })).toEqual(task);
    },
  },
  {
    name: 'a conversation of several turns stays one task until it is done',
    requirements: ['ACTS tck-multi-turn'],
    run: async ({ client }) => {
      const first = await send(client, 'tck-multi-turn');
      const second = await send(client, 'not yet', { taskId: first.id });
      const third = await send(client, 'now it is done', { taskId: first.id });
      const states = [first, second, third].map(({ status }) => status?.state);
      expect(states).toEqual(['TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_COMPLETED']);
      expect(new Set([first.id, second.id, third.id]).size).toBe(1);
    },
  },
  {
    name: 'historyLength 0 means none, on reading and on sending',
    requirements: ['CORE-HIST-001', 'CORE-HIST-003', 'ACTS CORE-HIST-003'],
    run: async ({ client }) => {
      const sent = await send(client, 'tck-complete-task', { configuration: { historyLength: 0 } });
      expect(sent).not.toHaveProperty('history');
      expect(await client.call('GetTask', { id: sent.id, historyLength: 0 })).not.toHaveProperty('history');
      expect((await client.call('GetTask', { id: sent.id })).history).toHaveLength(1);
    },
  },
  {
    name: 'there is never more history than asked for, and it is the newest',
    requirements: ['CORE-HIST-002'],
    run: async ({ client }) => {
      const { id } = await send(client, 'tck-multi-turn');
      await send(client, 'the last one, done', { taskId: id });
      for (const historyLength of [1, 2]) {
        const said = texts(await client.call('GetTask', { id, historyLength }));
        expect(said).toHaveLength(historyLength);
        expect(said.at(-1)).toBe('the last one, done');
      }
    },
  },
  {
    name: 'the history has what was said, word by word and in that order',
    requirements: ['CORE-HIST-004', 'CORE-HIST-005', 'CORE-HIST-006', 'ACTS CORE-HIST-005'],
    run: async ({ client }) => {
      const { id } = await send(client, 'tck-multi-turn first');
      await send(client, 'second', { taskId: id });
      await send(client, 'third, done', { taskId: id });
      const { history = [] } = await client.call('GetTask', { id, historyLength: 10 });
      const said = history.filter(({ role }) => role === 'ROLE_USER').map(({ parts }) => parts?.[0]?.text);
      expect(said).toEqual(['tck-multi-turn first', 'second', 'third, done']);
      expect(history[0]).toMatchObject({ taskId: id, parts: [{ text: 'tck-multi-turn first' }] });
    },
  },
  {
    name: 'a task that needs an authorisation says so, keeps its streams, takes messages, and goes on without credentials in them',
    requirements: [
      'AUTH-INTASK-001',
      'AUTH-INTASK-002',
      'AUTH-INTASK-003',
      'AUTH-INTASK-004',
      'AUTH-INTASK-005',
      'AUTH-INTASK-006',
      'ACTS tck-auth-required',
    ],
    run: async ({ client }) => {
      const { id, status } = await send(client, 'tck-auth-required');
      expect(status).toMatchObject({
        state: 'TASK_STATE_AUTH_REQUIRED',
        message: { parts: [{ text: expect.stringMatching(/authorise/) }] },
      });
      const stream = await client.open('SubscribeToTask', { id });
      await stream.next();
      expect((await send(client, 'It is granted', { taskId: id })).status).toMatchObject({
        state: 'TASK_STATE_COMPLETED',
      });
      const last = (await stream.all()).at(-1);
      expect(last!.response.statusUpdate?.status).toMatchObject({ state: 'TASK_STATE_COMPLETED' });
    },
  },
];
