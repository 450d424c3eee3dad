import { DelegationError, type DelegationProblem, type DelegationResult } from '#agents';
import { type Message, MessageSchema, type Task, TaskSchema, TaskState, toJsonObject } from '#protocol';

/** What came of a delegated message, as it is stored for the call that waits. */
export interface DelegationOutcome extends DelegationResult {
  readonly problem?: { readonly reason: DelegationProblem; readonly text: string };
}

const ENDED_BADLY: Partial<Record<TaskState, DelegationProblem>> = {
  [TaskState.FAILED]: 'failed',
  [TaskState.REJECTED]: 'rejected',
  [TaskState.CANCELED]: 'canceled',
};

/** The peer has answered without a task. */
export function answerOutcome(message: Message): DelegationOutcome {
  return { message: toJsonObject(MessageSchema, message) };
}

/** The peer's task has ended, or waits for its client. */
export function taskOutcome(task: Task): DelegationOutcome {
  const { history: _, ...shown } = toJsonObject(TaskSchema, task);
  const { state } = task.status!;
  const reason = ENDED_BADLY[state];
  if (!reason) return { task: shown };
  return { task: shown, problem: { reason, text: `the peer's task ${task.id} ended as ${TaskState[state]}` } };
}

/** There will be nothing that the call could return. */
export function problemOutcome(reason: DelegationProblem, text: string): DelegationOutcome {
  return { problem: { reason, text } };
}

/** @throws DelegationError where something went wrong. */
export function resultOf({ problem, task, message }: DelegationOutcome, peer: string): DelegationResult {
  if (problem) throw new DelegationError(problem.reason, `delegation to ${peer}: ${problem.text}`, task);
  return { task, message: message ?? task?.status?.message };
}

/** Names one status of a task, so that the same is known again; null where the peer gives it nothing to be known by. */
export function statusName({ status }: Task): string | null {
  const { seconds, nanos } = status?.timestamp ?? {};
  const messageId = status?.message?.messageId;
  return seconds === undefined && !messageId ? null : [status?.state, seconds, nanos, messageId].join(' ');
}
