import { expect } from 'vitest';
import { type TaskStateJson } from '#protocol';
import { responses, send, sending, start } from '../../equivalence/row.js';
import { type ProtocolEvent, type ProtocolStream, stateOf } from '../../support/protocol-client.js';
import { type ConformanceCase, refusal, UNKNOWN_ID } from '../case.js';

/** What a stream says of a task, in one word an event. */
function wordsOf(events: readonly ProtocolEvent[]): string[] {
  return events.map((event) => stateOf(event)?.replace('TASK_STATE_', '') ?? Object.keys(event.response)[0]!);
}

const ENDS: readonly (TaskStateJson | undefined)[] = [
  'TASK_STATE_COMPLETED',
  'TASK_STATE_FAILED',
  'TASK_STATE_REJECTED',
  'TASK_STATE_CANCELED',
];

/** Live streams of a new task and of one that is there. */
export const STREAMS: readonly ConformanceCase[] = [
  {
    name: 'SendStreamingMessage opens a stream that is read event by event until its task has ended',
    requirements: ['CORE-STREAM-001', 'CORE-STREAM-003', 'ACTS tck-stream-basic'],
    run: async ({ client }) => {
      for (const text of ['tck-stream-001', 'tck-stream-003', 'tck-stream-basic', 'tck-stream-artifact-file']) {
        const events = await (await client.open('SendStreamingMessage', sending(text))).all();
        expect(Object.keys(events[0]!.response)).toEqual(['task']);
        expect(wordsOf(events).slice(1)).toEqual(['WORKING', 'artifactUpdate', 'COMPLETED']);
      }
    },
  },
  {
    name: 'a stream of a direct reply is exactly one message, then closed',
    requirements: ['CORE-STREAM-002', 'ACTS tck-message-response'],
    run: async ({ client }) => {
      const events = await responses(await client.open('SendStreamingMessage', sending('tck-message-response')));
      expect(events).toMatchObject([{ message: { parts: [{ text: 'Direct message response' }] } }]);
    },
  },
  {
    name: 'events come in the order in which they were made, and say the same as the task in the end',
    requirements: ['STREAM-ORDER-001', 'ACTS tck-stream-chunked'],
    run: async ({ client }) => {
      for (const text of ['tck-stream-ordering-001', 'tck-stream-chunked']) {
        const events = await (await client.open('SendStreamingMessage', sending(text))).all();
        const words = wordsOf(events);
        expect(words.at(-1)).toBe('COMPLETED');
        expect(words.indexOf('WORKING')).toBe(1);
        expect(words.slice(2, -1)).toEqual(words.slice(2, -1).map(() => 'artifactUpdate'));
        const written = events
          .flatMap(({ response }) => response.artifactUpdate?.artifact?.parts ?? [])
          .map((part) => part.text);
        const { artifacts, status } = await client.call('GetTask', { id: events[0]!.response.task!.id! });
        expect(artifacts!.flatMap(({ parts = [] }) => parts.map((part) => part.text)).join('')).toBe(written.join(''));
        expect(events.at(-1)!.response.statusUpdate!.status).toEqual(status);
      }
    },
  },
  {
    name: 'chunks are appended to one artifact, and the last one says so',
    requirements: ['ACTS tck-stream-chunked'],
    run: async ({ client }) => {
      const events = await responses(await client.open('SendStreamingMessage', sending('tck-stream-artifact-chunked')));
      const updates = events.flatMap(({ artifactUpdate }) => artifactUpdate ?? []);
      expect(new Set(updates.map(({ artifact }) => artifact!.artifactId)).size).toBe(1);
      expect(updates.flatMap(({ artifact }) => artifact!.parts!.map(({ text }) => text)).join('')).toBe(
        'chunk-1 chunk-2',
      );
      expect(updates.map(({ append = false }) => append)).toEqual(updates.map((_, index) => index > 0));
      expect(updates.map(({ lastChunk = false }) => lastChunk)).toEqual(
        updates.map((_, index) => index === updates.length - 1),
      );
    },
  },
  {
    name: 'all open streams of a task get all its events, the same ones in the same order',
    requirements: ['STREAM-ORDER-002', 'STREAM-ORDER-003', 'ACTS STREAM-MULTI-001'],
    run: async ({ client }) => {
      const { id } = await send(client, 'tck-multi-turn');
      const streams = await Promise.all([1, 2, 3].map(() => client.open('SubscribeToTask', { id })));
      await Promise.all(streams.map((stream) => stream.next()));
      await send(client, 'tck-stream-chunked', { taskId: id });
      const [first, ...others] = await Promise.all(streams.map((stream) => responses(stream)));
      expect(first!.length).toBeGreaterThan(4);
      for (const other of others) expect(other).toEqual(first);
    },
  },
  {
    name: 'a stream that is closed leaves the others alone, and the task too',
    requirements: ['STREAM-ORDER-004', 'ACTS STREAM-MULTI-002'],
    run: async ({ client }) => {
      const { id } = await send(client, 'tck-multi-turn');
      const [gone, left] = await Promise.all([1, 2].map(() => client.open('SubscribeToTask', { id })));
      await Promise.all([gone!.next(), left!.next()]);
      gone!.close();
      await send(client, 'done', { taskId: id });
      expect(wordsOf(await left!.all())).toEqual(['INPUT_REQUIRED', 'WORKING', 'COMPLETED']);
    },
  },
  {
    name: 'a client that hangs up does not stop its task',
    requirements: ['STREAM-ORDER-004', 'ACTS STREAM-RESUB-001'],
    run: async ({ client }) => {
      const stream = await client.open('SendStreamingMessage', sending('tck-long-running'));
      const { task } = (await stream.next())!.response;
      stream.close();
      const state = async () => (await client.call('GetTask', { id: task!.id! })).status?.state;
      await expect.poll(state, { timeout: 10_000 }).toBe('TASK_STATE_COMPLETED');
    },
  },
  {
    name: 'a subscription begins with the task as it stands',
    requirements: ['STREAM-SUB-001'],
    run: async ({ client }) => {
      const sent = await send(client, 'tck-input-required');
      const stream = await client.open('SubscribeToTask', { id: sent.id });
      expect((await stream.next())!.response).toEqual({ task: await client.call('GetTask', { id: sent.id }) });
      stream.close();
    },
  },
  {
    name: 'a subscription ends with its task, however that ends, and not at a question that was there before',
    requirements: ['STREAM-SUB-002'],
    run: async ({ client }) => {
      for (const text of ['tck-complete-task', 'tck-task-failure', 'tck-reject-task', undefined]) {
        const { id } = await send(client, 'tck-input-required');
        const stream = await client.open('SubscribeToTask', { id });
        expect(stateOf((await stream.next())!)).toBe('TASK_STATE_INPUT_REQUIRED');
        if (text === undefined) await client.call('CancelTask', { id });
        else await send(client, text, { taskId: id });
        const states = (await stream.all()).map(stateOf);
        expect(ENDS).toContain(states.at(-1));
        expect(states.slice(0, -1).filter((state) => ENDS.includes(state))).toEqual([]);
      }
    },
  },
  {
    name: 'a task that has ended, however, is not to be subscribed to: refused before any stream opens',
    requirements: ['STREAM-SUB-003', 'ACTS STREAM-SUB-003'],
    run: async ({ client }) => {
      for (const text of ['tck-complete-task', 'tck-task-failure', 'tck-reject-task']) {
        const { id } = await send(client, text);
        expect((await refusal(client.open('SubscribeToTask', { id }))).reason).toBe('UNSUPPORTED_OPERATION');
      }
    },
  },
  {
    name: 'a task that is not there is not to be subscribed to: TaskNotFound',
    requirements: ['STREAM-SUB-004'],
    run: async ({ client }) => {
      for (const id of [UNKNOWN_ID, 'tck-nonexistent-sub-001']) {
        expect((await refusal(client.open('SubscribeToTask', { id }))).reason).toBe('TASK_NOT_FOUND');
      }
    },
  },
  {
    name: 'a client that lost its stream finds the task again, and hears of its end',
    requirements: ['ACTS STREAM-RESUB-001'],
    run: async ({ client }) => {
      const messageId = 'test-resubscribe-message-id';
      const first = await client.open('SendStreamingMessage', sending({ messageId, parts: [{ text: 'x' }] }));
      const { id } = (await first.next())!.response.task!;
      first.close();
      const again = await client.open('SubscribeToTask', { id: id! });
      const events = await again.all();
      expect(Object.keys(events[0]!.response)).toEqual(['task']);
      expect(wordsOf(events).at(-1)).toBe('COMPLETED');
    },
  },
  {
    name: 'a stream resumes after the last event that its client has seen, without a gap and without a repetition',
    requirements: ['ACTS STREAM-RESUB-001'],
    run: async ({ client }) => {
      const { id } = await start(client, 'tck-stream-chunked');
      const resumed = async (after: number): Promise<ProtocolStream> =>
        client.open('SubscribeToTask', { id }, { parameters: { 'last-event-id': String(after) } });
      const all = await responses(await resumed(0));
      for (let seen = 1; seen < all.length; seen++) {
        expect(await responses(await resumed(seen))).toEqual(all.slice(seen));
      }
    },
  },
];
