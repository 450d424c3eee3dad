import { type Socket } from 'node:net';
import type pg from 'pg';

/** Postgres was asked and said nothing for too long: the line is taken for dead, and what was asked may or may not have been done. */
export class UnansweredError extends Error {
  override readonly name = 'UnansweredError';

  constructor(timeoutMs: number) {
    super(`Postgres has not answered within ${timeoutMs} ms`);
  }
}

/**
 * Cuts the connection when a statement stays unanswered for `timeoutMs`; whoever uses it sees it break. A dead line says nothing
 * by itself: TCP waits for a quarter of an hour, and where a proxy stands between, for ever. Call it on a client that has connected.
 */
export function watchLine({ connection }: pg.Client, timeoutMs: number): void {
  const socket = connection.stream as Socket;
  let answeredUpTo = socket.bytesWritten;
  // First of all listeners: the others may send the next statement at once.
  connection.prependListener('readyForQuery', () => (answeredUpTo = socket.bytesWritten));
  socket.setTimeout(timeoutMs);
  // After so long without a byte in either direction, also where nothing was asked.
  socket.on('timeout', () => {
    // After a standstill of this process the answer may be there and unread; it is read before this.
    setImmediate(() => {
      if (socket.bytesWritten > answeredUpTo) socket.destroy(new UnansweredError(timeoutMs));
    });
  });
}
