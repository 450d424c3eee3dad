import type { TaskJson } from '#protocol';

const DELEGATION_MARK = Symbol.for('perdure.delegation');

/**
 * Why a {@link AgentTask.delegate} came to nothing:
 *
 * - `failed`, `rejected`, `canceled`: the peer's task ended so; the error has the task.
 * - `refused`: the peer did not take the message, or this server may not call that peer.
 * - `unreachable`: no answer came, for as long as the server tries (`PERDURE_PEER_OUTAGE`).
 * - `invalid`: what the peer answered is not A2A, or too large.
 * - `lost`: the peer no longer knows the task.
 * - `deadline`: the call's `timeout` or the task's deadline was over first; the peer was told to cancel.
 * - `depth`: the task was delegated too often already, perhaps in a circle (`PERDURE_DELEGATION_DEPTH`).
 */
export type DelegationProblem =
  'failed' | 'rejected' | 'canceled' | 'refused' | 'unreachable' | 'invalid' | 'lost' | 'deadline' | 'depth';

/**
 * A {@link AgentTask.delegate} came to nothing. It is recorded, so each replay throws it again: catch it to go another
 * way. Left alone it ends the task as FAILED without another attempt, because that would come to the same; its text is
 * for the log.
 */
export class DelegationError extends Error {
  override readonly name = 'DelegationError';
  readonly [DELEGATION_MARK] = true;

  constructor(
    readonly reason: DelegationProblem,
    message: string,
    /** The peer's task as it ended, where the peer has one and told of it. */
    readonly task?: TaskJson,
  ) {
    super(message);
  }
}

/** Whether the thrown value is a {@link DelegationError}, of this or of any other loaded copy of the SDK. */
export function isDelegationError(error: unknown): error is DelegationError {
  return error instanceof Error && DELEGATION_MARK in error;
}
