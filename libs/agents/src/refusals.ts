const REJECT_MARK = Symbol.for('perdure.reject');
const FAIL_MARK = Symbol.for('perdure.fail');

/**
 * Throw it where the agent will not take the task on: the request is not one this agent serves, or it can never succeed
 * as it stands. The task ends as REJECTED, without another attempt, and the client reads the message.
 *
 * @example throw new Reject('Send the CSV as a text part, a file or a data part.');
 */
export class Reject extends Error {
  override readonly name = 'Reject';
  readonly [REJECT_MARK] = true;
}

/**
 * Throw it where the work failed and trying again cannot help. The task ends as FAILED, without another attempt, and
 * the client reads the message. Any other error is taken for a passing fault: the run is retried by the agent's
 * `retry` policy, and its text is never shown to the client.
 *
 * @example throw new Fail('The supplier has closed this account.');
 */
export class Fail extends Error {
  override readonly name = 'Fail';
  readonly [FAIL_MARK] = true;
}

/** Whether the thrown value is a {@link Reject}, of this or of any other loaded copy of the SDK. */
export function isReject(error: unknown): error is Reject {
  return error instanceof Error && REJECT_MARK in error;
}

/** Whether the thrown value is a {@link Fail}, of this or of any other loaded copy of the SDK. */
export function isFail(error: unknown): error is Fail {
  return error instanceof Error && FAIL_MARK in error;
}
