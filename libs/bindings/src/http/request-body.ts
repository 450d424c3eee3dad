import { type Readable } from 'node:stream';
import { type A2AError } from '#protocol';

/** How much of a body is taken. */
export interface BodyLimits {
  /** Largest body. */
  readonly maxBytes: number;
  /** What `Content-Length` says; NaN where there is none. */
  readonly announcedBytes: number;
  /** Told of each piece; what it returns refuses the body. */
  take(bytes: number): A2AError | undefined;
}

/** A body that is not taken, with the HTTP status that says so. */
export class BodyRefusedError extends Error {
  override readonly name = 'BodyRefusedError';

  constructor(
    readonly statusCode: 413 | 503,
    /** The bound that a body with 413 is beyond, in bytes. */
    readonly maxBytes: number,
    override readonly cause?: A2AError,
  ) {
    super(`the body is refused with ${statusCode}`);
  }
}

/**
 * Reads a body to its end and calls `done` once, with the bytes or with a BodyRefusedError. The rest of a body that is refused
 * passes by unread, so that its sender sees the answer and not a reset connection.
 */
export function readBody(
  payload: Readable,
  limits: BodyLimits,
  done: (error: Error | null, body?: Buffer) => void,
): void {
  if (limits.announcedBytes > limits.maxBytes) return done(new BodyRefusedError(413, limits.maxBytes));
  const pieces: Buffer[] = [];
  let bytes = 0;
  const end = (error: Error | null) => {
    payload.off('data', take).off('end', ended).off('error', end);
    // One piece is a view of the socket's own buffer.
    done(error, error ? undefined : Buffer.concat(pieces, bytes));
  };
  const ended = () => end(null);
  const take = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > limits.maxBytes) return end(new BodyRefusedError(413, limits.maxBytes));
    const error = limits.take(piece.length);
    if (error) return end(new BodyRefusedError(503, limits.maxBytes, error));
    pieces.push(piece);
  };
  payload.on('data', take).on('end', ended).on('error', end);
}
