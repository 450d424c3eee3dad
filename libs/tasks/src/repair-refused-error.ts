/** Why an operator's action was not done to a task. */
export type RepairRefusal =
  | 'NOT_FOUND'
  | 'AGENT_NOT_SERVED'
  | 'ENDED'
  | 'NOT_FAILED'
  | 'NOT_DEAD'
  | 'NOT_IN_BACKOFF'
  | 'NOT_BEGUN'
  | 'NO_SUCH_CALL'
  | 'AMBIGUOUS_CALL'
  | 'DEADLINE_PASSED'
  | 'TOO_MANY_EVENTS';

/** The action does not fit the task as it is; the message is for the operator. Nothing was written. */
export class RepairRefusedError extends Error {
  override readonly name = 'RepairRefusedError';

  constructor(
    readonly code: RepairRefusal,
    message: string,
  ) {
    super(message);
  }
}
