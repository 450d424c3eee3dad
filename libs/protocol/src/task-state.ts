import { TaskState } from './gen/lf/a2a/v1/a2a_pb.js';

const TERMINAL: ReadonlySet<TaskState> = new Set([
  TaskState.COMPLETED,
  TaskState.FAILED,
  TaskState.CANCELED,
  TaskState.REJECTED,
]);

const INTERRUPTED: ReadonlySet<TaskState> = new Set([TaskState.INPUT_REQUIRED, TaskState.AUTH_REQUIRED]);

/** Whether a task in `state` has ended for good: completed, failed, canceled or rejected. */
export function isTerminal(state: TaskState): boolean {
  return TERMINAL.has(state);
}

/** Whether a task in `state` waits for its client: for input or for an authorisation. */
export function isInterrupted(state: TaskState): boolean {
  return INTERRUPTED.has(state);
}

/** Whether a blocking caller gets its answer at `state`: terminal or interrupted. */
export function isSettled(state: TaskState): boolean {
  return isTerminal(state) || isInterrupted(state);
}
