import { A2AError } from '#protocol';

const RETRY_AFTER_MS = 1_000;
/** Lost connections, no more room of any kind, statements that took too long, shutdown or crash, errors of the system. */
const OUT_OF_ORDER = /^(08|53|57|58)|^25006$|^25P03$|^55P03$/;
const OUT_OF_ROOM = '53';

/**
 * The database could not do what it was asked, now: it is away, busy, full, or did not answer. What was asked for may have been done
 * where it was a change whose answer is missing. For clients it says to try again; the cause is for the log.
 */
export class DatabaseUnavailableError extends A2AError {
  constructor(cause: unknown) {
    const isFull = sqlState(cause)?.startsWith(OUT_OF_ROOM) ?? false;
    const message = isFull
      ? 'The database has no room at the moment; try again later'
      : 'The database is not available at the moment; try again later';
    super(isFull ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE', { message, retryAfterMs: RETRY_AFTER_MS, cause });
  }
}

/** Whether Postgres has no room on its disk: it refuses every write that needs more of it, and has written nothing. */
export function isDiskFull(error: unknown): boolean {
  return sqlState(error) === '53100';
}

/** Whether the session takes no writes: Postgres is a standby now, or was set to read only. Nothing was written. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === '25006';
}

/** What Postgres or the way to it has thrown, as DatabaseUnavailableError where another time may be better. */
export function databaseError(error: unknown): unknown {
  if (error instanceof A2AError) return error;
  const state = sqlState(error);
  if (state !== undefined) return OUT_OF_ORDER.test(state) ? new DatabaseUnavailableError(error) : error;
  // Without a state it is the connection's, or our own mistake before anything was sent.
  const isOurs = error instanceof TypeError || error instanceof RangeError;
  return isOurs ? error : new DatabaseUnavailableError(error);
}

/** SQLSTATE of an error that came from Postgres, else undefined. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  // Node's own codes have no digit: EPIPE.
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The constraint that a Postgres error names. */
export function constraintOf(error: unknown): string | undefined {
  return (error as { constraint?: string } | null)?.constraint;
}

/** Deadlock or serialization failure: nothing was written, and trying again is the remedy (SQLSTATE class 40). */
export function isConflict(error: unknown): boolean {
  return sqlState(error)?.startsWith('40') ?? false;
}
