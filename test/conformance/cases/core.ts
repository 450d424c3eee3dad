import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type TaskJson } from '#protocol';
import { type ProtocolClient } from '../../support/protocol-client.js';
import { send, sending, start } from '../../equivalence/row.js';
import { type ConformanceCase, refusal, UNKNOWN_ID } from '../case.js';

const ids = ({ tasks = [] }: { tasks?: TaskJson[] }) => tasks.map(({ id }) => id);

/** Tasks of a context of their own, one for each text, oldest first. */
async function tasksOf(
  client: ProtocolClient,
  contents: readonly string[],
): Promise<{ contextId: string; ids: string[] }> {
  const contextId = randomUUID();
  const made: string[] = [];
  for (const text of contents) made.push((await send(client, { contextId, parts: [{ text }] })).id);
  return { contextId, ids: made };
}

const ended = ['tck-complete-task', 'tck-task-failure', 'tck-reject-task'];

/** Sending, reading, listing, canceling, capabilities. */
export const CORE: readonly ConformanceCase[] = [
  {
    name: 'SendMessage answers with a task that has an id, a context and a status',
    requirements: ['CORE-SEND-001', 'CORE-MULTI-001', 'CORE-MULTI-001a', 'ACTS DM-FMT-003'],
    run: async ({ client }) => {
      const { task, message } = await client.call('SendMessage', sending('tck-complete-task'));
      expect(message).toBeUndefined();
      expect(task!.id).toMatch(/./);
      expect(task!.contextId).toMatch(/./);
      expect(task!.status).toMatchObject({
        state: 'TASK_STATE_COMPLETED',
        message: { messageId: expect.stringMatching(/./) },
      });
    },
  },
  {
    name: 'SendMessage answers with a message of no task where the agent replies at once, and leaves no task behind',
    requirements: ['CORE-SEND-001', 'DM-MSG-001', 'ACTS tck-message-response'],
    run: async ({ client }) => {
      const contextId = randomUUID();
      const answer = await client.call(
        'SendMessage',
        sending({ contextId, messageId: `tck-message-response-${randomUUID()}`, parts: [{ text: 'x' }] }),
      );
      expect(answer.task).toBeUndefined();
      expect(answer.message).toMatchObject({
        contextId,
        role: 'ROLE_AGENT',
        parts: [{ text: 'Direct message response' }],
      });
      expect(answer.message!.taskId).toBeUndefined();
      expect((await client.call('ListTasks', { contextId })).totalSize ?? 0).toBe(0);
    },
  },
  {
    name: 'a task that has ended, however, takes no further message: UnsupportedOperation',
    requirements: ['CORE-SEND-002', 'ACTS CORE-SEND-002', 'ACTS CORE-ERR-004'],
    run: async ({ client }) => {
      for (const text of [...ended, 'tck-input-required']) {
        const { id, status } = await send(client, text);
        if (text === 'tck-input-required') await client.call('CancelTask', { id });
        const error = await refusal(client.call('SendMessage', sending('tck-complete-task', { taskId: id })));
        expect({ state: status?.state, reason: error.reason }).toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
      }
    },
  },
  {
    name: 'a part of a media type that the card does not name is refused: ContentTypeNotSupported',
    requirements: ['CORE-SEND-003', 'ACTS CORE-SEND-004'],
    run: async ({ client }) => {
      const parts = [{ text: 'x' }, { raw: 'AAAA', mediaType: 'application/x-unsupported-tck-type' }];
      expect((await refusal(client.call('SendMessage', sending(parts)))).reason).toBe('CONTENT_TYPE_NOT_SUPPORTED');
      expect((await refusal(client.open('SendStreamingMessage', sending(parts)))).reason).toBe(
        'CONTENT_TYPE_NOT_SUPPORTED',
      );
    },
  },
  {
    name: 'GetTask gives the task as it is now',
    requirements: ['CORE-GET-001'],
    run: async ({ client }) => {
      const waiting = await send(client, 'tck-multi-turn');
      expect((await client.call('GetTask', { id: waiting.id })).status).toEqual(waiting.status);
      await send(client, 'done', { taskId: waiting.id });
      expect(await client.call('GetTask', { id: waiting.id })).toMatchObject({
        id: waiting.id,
        status: { state: 'TASK_STATE_COMPLETED' },
      });
    },
  },
  {
    name: 'GetTask of an unknown id, of any form, is TaskNotFound',
    requirements: ['CORE-GET-002', 'ACTS CORE-ERR-009', 'ACTS SEC-AUTH-003'],
    run: async ({ client }) => {
      for (const id of [UNKNOWN_ID, 'tck-nonexistent-task-001']) {
        expect((await refusal(client.call('GetTask', { id }))).reason).toBe('TASK_NOT_FOUND');
      }
    },
  },
  {
    name: 'ListTasks shows a caller its own tenant’s tasks and nobody else’s',
    requirements: ['CORE-LIST-001', 'AUTH-SCOPE-002'],
    run: async ({ client }) => {
      const contextId = randomUUID();
      const { id } = await send(client, { contextId, parts: [{ text: 'tck-complete-task' }] }, { tenant: 'acme' });
      expect(ids(await client.call('ListTasks', { contextId, tenant: 'acme' }))).toEqual([id]);
      expect(ids(await client.call('ListTasks', { contextId, tenant: 'other' }))).toEqual([]);
      expect(ids(await client.call('ListTasks', { contextId }))).toEqual([]);
    },
  },
  {
    name: 'what belongs to another tenant is answered exactly like what is not there, by every operation',
    requirements: ['AUTH-SCOPE-003', 'ACTS CORE-ERR-009', 'ACTS SEC-AUTH-003'],
    run: async ({ client }) => {
      const { id } = await send(client, 'tck-input-required', { tenant: 'acme' });
      const told = async (of: string) => {
        const request = { id: of, tenant: 'other' };
        const errors = [
          await refusal(client.call('GetTask', request)),
          await refusal(client.call('CancelTask', request)),
          await refusal(client.open('SubscribeToTask', request)),
          await refusal(client.call('SendMessage', sending('x', { taskId: of, tenant: 'other' }))),
        ];
        return errors.map((error) => JSON.stringify(error.portable).replaceAll(of, 'id'));
      };
      expect(await told(id)).toEqual(await told(UNKNOWN_ID));
      expect((await client.call('GetTask', { id, tenant: 'acme' })).status).toMatchObject({
        state: 'TASK_STATE_INPUT_REQUIRED',
      });
    },
  },
  {
    name: 'ListTasks gives every task once over its pages, also when tasks are added between them',
    requirements: ['CORE-LIST-002', 'CORE-LIST-004', 'ACTS CORE-LIST-002'],
    run: async ({ client }) => {
      const made = await tasksOf(
        client,
        Array.from({ length: 5 }, () => 'tck-complete-task'),
      );
      const { contextId } = made;
      const seen: unknown[] = [];
      let pageToken = '';
      do {
        const page = await client.call('ListTasks', { contextId, pageSize: 2, pageToken });
        expect(page.pageSize).toBe(2);
        seen.push(...ids(page));
        pageToken = page.nextPageToken ?? '';
        if (seen.length === 2) await send(client, { contextId, parts: [{ text: 'tck-complete-task' }] });
      } while (pageToken !== '');
      expect(seen).toEqual(made.ids.toReversed());
    },
  },
  {
    name: 'ListTasks has the newest status first, and a task moves up when its status changes',
    requirements: ['CORE-LIST-003', 'ACTS CORE-LIST-003'],
    run: async ({ client }) => {
      const { contextId, ids: made } = await tasksOf(client, [
        'tck-multi-turn',
        'tck-complete-task',
        'tck-complete-task',
      ]);
      expect(ids(await client.call('ListTasks', { contextId }))).toEqual(made.toReversed());
      await send(client, 'done', { taskId: made[0] });
      const { tasks = [] } = await client.call('ListTasks', { contextId });
      expect(ids({ tasks })).toEqual([made[0], made[2], made[1]]);
      const times = tasks.map(({ status }) => Date.parse(status!.timestamp!));
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    },
  },
  {
    name: 'ListTasks gives artifacts where they are asked for, and nowhere else',
    requirements: ['CORE-LIST-005'],
    run: async ({ client }) => {
      const { contextId } = await tasksOf(client, ['tck-artifact-text']);
      for (const includeArtifacts of [undefined, false]) {
        const { tasks } = await client.call('ListTasks', {
          contextId,
          ...(includeArtifacts === false && { includeArtifacts }),
        });
        expect(tasks![0]).not.toHaveProperty('artifacts');
      }
      const { tasks } = await client.call('ListTasks', { contextId, includeArtifacts: true });
      expect(tasks![0]!.artifacts).toMatchObject([{ parts: [{ text: 'Generated text content' }] }]);
    },
  },
  {
    name: 'CancelTask ends a waiting and a running task as CANCELED, and answers with it',
    requirements: ['CORE-CANCEL-001', 'ACTS tck-cancel'],
    run: async ({ client }) => {
      for (const task of [await send(client, 'tck-input-required'), await start(client, 'tck-cancel')]) {
        const canceled = await client.call('CancelTask', { id: task.id });
        expect(canceled).toMatchObject({ id: task.id, status: { state: 'TASK_STATE_CANCELED' } });
        expect((await client.call('GetTask', { id: task.id })).status).toEqual(canceled.status);
      }
    },
  },
  {
    name: 'CancelTask of a task that has ended, however, is TaskNotCancelable and changes nothing',
    requirements: ['CORE-CANCEL-002'],
    run: async ({ client }) => {
      for (const text of ended) {
        const task = await send(client, text);
        expect((await refusal(client.call('CancelTask', { id: task.id }))).reason).toBe('TASK_NOT_CANCELABLE');
        expect((await client.call('GetTask', { id: task.id })).status).toEqual(task.status);
      }
    },
  },
  {
    name: 'CancelTask of an unknown id is TaskNotFound',
    requirements: ['CORE-CANCEL-003'],
    run: async ({ client }) => {
      expect((await refusal(client.call('CancelTask', { id: 'tck-nonexistent-task-002' }))).reason).toBe(
        'TASK_NOT_FOUND',
      );
    },
  },
  {
    name: 'a send waits until its task has ended or waits for the client',
    requirements: [
      'CORE-EXECUTION-MODE-001',
      'ACTS tck-long-running',
      'ACTS tck-input-required',
      'ACTS tck-auth-required',
    ],
    run: async ({ client }) => {
      const states = await Promise.all(
        ['tck-long-running', 'tck-input-required', 'tck-auth-required'].map(
          async (text) => (await send(client, text)).status?.state,
        ),
      );
      expect(states).toEqual(['TASK_STATE_COMPLETED', 'TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_AUTH_REQUIRED']);
    },
  },
  {
    name: 'with returnImmediately it does not wait, and the task goes on by itself',
    requirements: ['CORE-EXECUTION-MODE-002', 'ACTS tck-long-running'],
    run: async ({ client }) => {
      const { id, status } = await start(client, 'tck-long-running');
      expect(['TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING']).toContain(status?.state);
      const state = async () => (await client.call('GetTask', { id })).status?.state;
      await expect.poll(state, { timeout: 10_000 }).toBe('TASK_STATE_COMPLETED');
      expect((await client.call('GetTask', { id })).artifacts).toHaveLength(1);
    },
  },
  {
    name: 'malformed requests are refused, and the refusal names the fields',
    requirements: ['CORE-ERR-001', 'CORE-ERR-002', 'ACTS CORE-ERR-008'],
    run: async ({ client }) => {
      const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'x' }] };
      const requests = [
        [{}, ['message']],
        [{ message: {} }, ['message.messageId', 'message.role', 'message.parts']],
        [{ message: { ...message, parts: [{}] } }, ['message.parts[0]']],
        [{ message: { ...message, role: 'ROLE_AGENT' } }, ['message.role']],
      ] as const;
      for (const [request, fields] of requests) {
        const error = await refusal(client.call('SendMessage', request as never));
        expect(error.status).toBe('INVALID_ARGUMENT');
        expect(error.message).not.toBe('');
        expect(error.violations.map(({ field }) => field)).toEqual(fields);
      }
    },
  },
  {
    name: 'an agent whose card has no streaming refuses streams, also of tasks that are not there, and nothing else',
    requirements: ['CORE-CAP-002'],
    run: async ({ at }) => {
      const client = at('reduced');
      for (const opened of [
        client.open('SendStreamingMessage', sending('tck-complete-task')),
        client.open('SubscribeToTask', { id: UNKNOWN_ID }),
      ]) {
        expect((await refusal(opened)).reason).toBe('UNSUPPORTED_OPERATION');
      }
      expect((await send(client, 'tck-complete-task')).status).toMatchObject({ state: 'TASK_STATE_COMPLETED' });
    },
  },
  {
    name: 'an agent whose card has no extended card refuses to give one',
    requirements: ['CORE-CAP-003', 'CARD-EXT-001', 'CARD-EXT-002'],
    run: async ({ client }) => {
      expect((await refusal(client.call('GetExtendedAgentCard'))).reason).toBe('UNSUPPORTED_OPERATION');
    },
  },
  {
    name: 'an agent that requires an extension refuses who does not name it, whatever the operation, and serves who does',
    requirements: ['CORE-CAP-004'],
    run: async ({ at }) => {
      const client = at('extended');
      for (const call of [
        client.call('SendMessage', sending('x')),
        client.call('GetTask', { id: UNKNOWN_ID }),
        client.call('ListTasks'),
        client.open('SendStreamingMessage', sending('x')),
      ]) {
        expect((await refusal(call)).reason).toBe('EXTENSION_SUPPORT_REQUIRED');
      }
      const parameters = { 'a2a-extensions': 'urn:other, urn:a2a:tck:required-extension' };
      const { task } = await client.call('SendMessage', sending('x'), { parameters });
      expect(task?.status).toMatchObject({ state: 'TASK_STATE_COMPLETED' });
    },
  },
];
