import { type TaskStateJson } from '#protocol';

const ENDED: readonly (TaskStateJson | undefined)[] = [
  'TASK_STATE_COMPLETED',
  'TASK_STATE_FAILED',
  'TASK_STATE_CANCELED',
  'TASK_STATE_REJECTED',
];
const WAITING: readonly (TaskStateJson | undefined)[] = ['TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_AUTH_REQUIRED'];

/** The states by the word a person types and reads: `working`, `input-required`. */
export const STATE_WORDS: Readonly<Record<string, TaskStateJson>> = {
  submitted: 'TASK_STATE_SUBMITTED',
  working: 'TASK_STATE_WORKING',
  'input-required': 'TASK_STATE_INPUT_REQUIRED',
  'auth-required': 'TASK_STATE_AUTH_REQUIRED',
  completed: 'TASK_STATE_COMPLETED',
  failed: 'TASK_STATE_FAILED',
  canceled: 'TASK_STATE_CANCELED',
  rejected: 'TASK_STATE_REJECTED',
};

/** The word for a state, such as `working`; `unknown` where there is none. */
export function stateWord(state: TaskStateJson | undefined): string {
  return Object.keys(STATE_WORDS).find((word) => STATE_WORDS[word] === state) ?? 'unknown';
}

/** Whether nothing can happen to the task any more. */
export function isEnded(state: TaskStateJson | undefined): boolean {
  return ENDED.includes(state);
}

/** Whether the task waits for a message from the client. */
export function isWaiting(state: TaskStateJson | undefined): boolean {
  return WAITING.includes(state);
}

/** Whether the task ended otherwise than as wanted: failed, canceled or rejected. */
export function isUnsuccessful(state: TaskStateJson | undefined): boolean {
  return isEnded(state) && state !== 'TASK_STATE_COMPLETED';
}
