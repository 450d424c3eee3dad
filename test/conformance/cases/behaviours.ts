import { expect } from 'vitest';
import { send, start } from '../../equivalence/row.js';
import { type ConformanceCase } from '../case.js';

/** What the conformance agent does by a prefix, where no other case looks at it. */
const ENDS = {
  'tck-complete-task': 'TASK_STATE_COMPLETED',
  'tck-task-failure': 'TASK_STATE_FAILED',
  'tck-reject-task': 'TASK_STATE_REJECTED',
  'tck-input-required': 'TASK_STATE_INPUT_REQUIRED',
  'anything else': 'TASK_STATE_COMPLETED',
};

/** The agent's behaviours themselves: a kit that finds them missing says nothing of the server. */
export const BEHAVIOURS: readonly ConformanceCase[] = [
  {
    name: 'the agent behaves by the prefix of the text, and by that of the message id',
    requirements: [
      'ACTS tck-complete-task',
      'ACTS tck-task-failure',
      'ACTS tck-reject-task',
      'ACTS tck-input-required',
    ],
    run: async ({ client }) => {
      for (const [prefix, state] of Object.entries(ENDS)) {
        expect((await send(client, `${prefix}-1a2b3c4d`)).status?.state).toBe(state);
        const byId = await send(client, { messageId: `${prefix}-1a2b3c4d-jsonrpc`, parts: [{ text: 'Hello' }] });
        expect(byId.status?.state).toBe(state);
      }
    },
  },
  {
    name: 'the agent behaves by a follow-up’s prefix too, and asks again where that says so',
    requirements: ['ACTS tck-input-required', 'ACTS tck-multi-turn'],
    run: async ({ client }) => {
      const { id } = await send(client, { messageId: 'tck-input-required-1', parts: [{ text: 'one' }] });
      const again = await send(client, { messageId: 'tck-input-required-1', parts: [{ text: 'two' }] }, { taskId: id });
      expect(again.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
      const done = await send(client, { messageId: 'tck-complete-task-1', parts: [{ text: 'three' }] }, { taskId: id });
      expect(done.status?.state).toBe('TASK_STATE_COMPLETED');
    },
  },
  {
    name: 'the agent works until it is canceled',
    requirements: ['ACTS tck-cancel'],
    run: async ({ client }) => {
      const { id } = await start(client, 'tck-cancel');
      const state = async () => (await client.call('GetTask', { id })).status?.state;
      await expect.poll(state, { timeout: 10_000 }).toBe('TASK_STATE_WORKING');
      expect((await client.call('CancelTask', { id })).status?.state).toBe('TASK_STATE_CANCELED');
    },
  },
];
