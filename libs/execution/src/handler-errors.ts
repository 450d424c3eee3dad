import { InvalidOutputError } from '#tasks';

/** The handler called in another order than the last time: what is recorded no longer fits it. The text is for its author. */
export class NonDeterministicHandlerError extends Error {
  override readonly name = 'NonDeterministicHandlerError';
}

/** A durable call that cannot be made so, or not there. The text is for the handler's author. */
export class InvalidCallError extends Error {
  override readonly name = 'InvalidCallError';
}

/** One call of a step's function took longer than the step's `timeout`. */
export class StepTimeoutError extends Error {
  override readonly name = 'StepTimeoutError';
}

/** The run took longer than the agent's `timeout`. */
export class RunTimeoutError extends Error {
  override readonly name = 'RunTimeoutError';
}

/** The handler did nothing for longer than the agent's `inactivity`. */
export class RunInactiveError extends Error {
  override readonly name = 'RunInactiveError';
}

/** The run's own end, for whatever its handler still has under way. */
export class RunEndedError extends Error {
  override readonly name = 'RunEndedError';
}

/** The run was told to stop: canceled, taken over, past its deadline, or the process is stopping. */
export class RunAbortedError extends Error {
  override readonly name = 'RunAbortedError';
}

/** Whether another attempt would end the same way: the handler's code is what has to change. */
export function isAuthorsFault(error: unknown): error is Error {
  return [InvalidOutputError, InvalidCallError, NonDeterministicHandlerError].some((type) => error instanceof type);
}
