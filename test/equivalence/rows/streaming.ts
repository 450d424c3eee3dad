import { type ProtocolClient, type ProtocolError, stateOf } from '../../support/protocol-client.js';
import { responses, type Row, send, sending, start, streams, UNKNOWN_ID } from '../row.js';

const status = (state: string) => ({ statusUpdate: { status: { state: `TASK_STATE_${state}`, timestamp: 'time' } } });
const task = (state: string) => ({ task: { status: { state: `TASK_STATE_${state}` } } });

/** Starts a task that waits for input. */
async function waiting(client: ProtocolClient): Promise<string> {
  return (await send(client, 'tck-multi-turn')).id;
}

/** SendStreamingMessage and SubscribeToTask: what comes, in which order, and when a stream ends. */
export const STREAMING: readonly Row[] = [
  {
    name: 'a stream opens with the task and ends with its end',
    run: streams('SendStreamingMessage', sending('tck-complete-task')),
    expected: [task('SUBMITTED'), status('WORKING'), status('COMPLETED')],
  },
  {
    name: 'an artifact comes before the end',
    run: streams('SendStreamingMessage', sending('tck-stream-basic')),
    expected: [
      task('SUBMITTED'),
      status('WORKING'),
      { artifactUpdate: { lastChunk: true, artifact: { parts: [{ text: 'Streamed content' }] } } },
      status('COMPLETED'),
    ],
  },
  {
    name: 'an artifact in chunks comes chunk by chunk under one id',
    run: async (client) => {
      const events = await responses(await client.open('SendStreamingMessage', sending('tck-stream-chunked')));
      const updates = events.flatMap(({ artifactUpdate }) => artifactUpdate ?? []);
      return {
        ids: new Set(updates.map(({ artifact }) => artifact?.artifactId)).size,
        text: updates.flatMap(({ artifact }) => artifact?.parts?.map(({ text }) => text) ?? []).join(''),
        updates: updates.map(({ append = false, lastChunk = false }) => ({ append, lastChunk })),
      };
    },
    expected: { ids: 1, text: 'chunk-1 chunk-2' },
  },
  {
    name: 'a stream ends where the task asks for input',
    run: streams('SendStreamingMessage', sending('tck-input-required')),
    expected: [task('SUBMITTED'), status('WORKING'), status('INPUT_REQUIRED')],
  },
  {
    name: 'a stream ends as FAILED with the task',
    run: streams('SendStreamingMessage', sending('tck-task-failure')),
    expected: [task('SUBMITTED'), status('WORKING'), status('FAILED')],
  },
  {
    name: 'a stream stays open while an authorisation is awaited',
    run: async (client) => {
      const stream = await client.open('SendStreamingMessage', sending('tck-auth-required'));
      await stream.until((event) => stateOf(event) === 'TASK_STATE_AUTH_REQUIRED');
      await send(client, 'granted', { taskId: stream.events[0]!.response.task!.id! });
      return (await stream.all()).map(stateOf);
    },
    expected: [
      'TASK_STATE_SUBMITTED',
      'TASK_STATE_WORKING',
      'TASK_STATE_AUTH_REQUIRED',
      'TASK_STATE_WORKING',
      'TASK_STATE_COMPLETED',
    ],
  },
  {
    name: 'a stream of a direct reply is that message alone',
    agent: 'talker',
    run: streams('SendStreamingMessage', sending('Hi')),
    expected: [{ message: { role: 'ROLE_AGENT', parts: [{ text: 'Hi there' }, { data: { polite: true } }] } }],
  },
  {
    name: 'historyLength counts for the task that opens a stream',
    run: async (client) => {
      const request = sending('tck-complete-task', { configuration: { historyLength: 0 } });
      const [first] = await responses(await client.open('SendStreamingMessage', request));
      return 'history' in first!.task!;
    },
    expected: false,
  },
  {
    name: 'a message to a task that waits streams what follows',
    run: async (client) => {
      const taskId = await waiting(client);
      const stream = await client.open('SendStreamingMessage', sending('tck-long-running', { taskId }));
      return {
        first: Object.keys((await stream.next())!.response),
        states: (await stream.all()).map(stateOf).slice(-2),
      };
    },
    expected: { first: ['task'], states: [undefined, 'TASK_STATE_COMPLETED'] },
  },
  {
    name: 'a subscription opens with the task as it stands, outlives a question that is there, and ends with the task',
    run: async (client) => {
      const id = await waiting(client);
      const stream = await client.open('SubscribeToTask', { id });
      const first = await stream.next();
      await send(client, 'done', { taskId: id });
      return { first: first?.response, states: (await stream.all()).map(stateOf) };
    },
    expected: {
      first: task('INPUT_REQUIRED'),
      states: ['TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_WORKING', 'TASK_STATE_COMPLETED'],
    },
  },
  {
    name: 'a subscription ends when the task is canceled',
    run: async (client) => {
      const { id } = await start(client, 'tck-cancel');
      const stream = await client.open('SubscribeToTask', { id });
      await stream.next();
      await client.call('CancelTask', { id });
      return (await stream.all()).map(stateOf).at(-1);
    },
    expected: 'TASK_STATE_CANCELED',
  },
  {
    name: 'all subscriptions see the same, and one that hangs up disturbs none',
    run: async (client) => {
      const id = await waiting(client);
      const [one, two, gone] = await Promise.all([1, 2, 3].map(() => client.open('SubscribeToTask', { id })));
      await gone!.next();
      gone!.close();
      await Promise.all([one!.next(), two!.next()]);
      await send(client, 'done', { taskId: id });
      const [first, second] = await Promise.all([responses(one!), responses(two!)]);
      return { same: JSON.stringify(first) === JSON.stringify(second), first };
    },
    expected: { same: true, first: [task('INPUT_REQUIRED'), status('WORKING'), status('COMPLETED')] },
  },
  {
    name: 'a stream resumes after any event, also of a task that has ended',
    run: async (client) => {
      const { id } = await send(client, 'tck-stream-basic');
      const after = async (number: number) =>
        responses(await client.open('SubscribeToTask', { id }, { parameters: { 'last-event-id': String(number) } }));
      return { all: await after(0), rest: await after(2) };
    },
    expected: {
      all: [task('SUBMITTED'), status('WORKING'), { artifactUpdate: { lastChunk: true } }, status('COMPLETED')],
      rest: [{ artifactUpdate: { lastChunk: true } }, status('COMPLETED')],
    },
  },
  {
    name: 'events are numbered from 1, without a gap, also where a stream begins in the middle',
    run: async (client) => {
      const id = await waiting(client);
      const numbers = async (parameters: Record<string, string> = {}, answer?: string) => {
        const stream = await client.open('SubscribeToTask', { id }, { parameters });
        await stream.next();
        if (answer !== undefined) await send(client, answer, { taskId: id });
        return (await stream.all()).map(({ sequence }) => sequence);
      };
      return {
        live: await numbers({}, 'done'),
        all: await numbers({ 'last-event-id': '0' }),
        rest: await numbers({ 'last-event-id': '3' }),
      };
    },
    expected: { live: [3, 4, 5], all: [1, 2, 3, 4, 5], rest: [4, 5] },
  },
  {
    name: 'there is nothing to resume behind the end',
    run: async (client) => {
      const { id } = await send(client, 'tck-complete-task');
      const error = await client
        .open('SubscribeToTask', { id }, { parameters: { 'last-event-id': '3' } })
        .catch((e: unknown) => e);
      return (error as ProtocolError).portable;
    },
    expected: { reason: 'UNSUPPORTED_OPERATION' },
  },
  {
    name: 'nothing is resumed after an event that has not been',
    run: async (client) => {
      const { id } = await send(client, 'tck-complete-task');
      return client.open('SubscribeToTask', { id }, { parameters: { 'last-event-id': '99' } });
    },
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'Last-Event-ID' }] } },
  },
  {
    name: 'a Last-Event-ID that is no number is refused',
    run: (client) => client.open('SubscribeToTask', { id: UNKNOWN_ID }, { parameters: { 'last-event-id': 'x' } }),
    expected: { error: { status: 'INVALID_ARGUMENT', violations: [{ field: 'Last-Event-ID' }] } },
  },
  {
    name: 'a task that has ended is not to be subscribed to',
    run: async (client) => {
      const { id } = await send(client, 'tck-complete-task');
      return client.open('SubscribeToTask', { id });
    },
    expected: { error: { reason: 'UNSUPPORTED_OPERATION', status: 'FAILED_PRECONDITION' } },
  },
  {
    name: 'a task that is not there is not to be subscribed to',
    run: (client) => client.open('SubscribeToTask', { id: UNKNOWN_ID }),
    expected: { error: { reason: 'TASK_NOT_FOUND', status: 'NOT_FOUND' } },
  },
  {
    name: 'a stream of a message that is refused is refused before it opens',
    run: (client) => client.open('SendStreamingMessage', sending('x', { taskId: UNKNOWN_ID })),
    expected: { error: { reason: 'TASK_NOT_FOUND' } },
  },
];
