import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const RANDOM_BYTES = 16;
/** One draw from the system's randomness for many ids: each draw costs more than the rest of an id. */
const pool = Buffer.alloc(256 * RANDOM_BYTES);
let next = pool.length;

/** A UUIDv7 (RFC 9562): ids made later sort behind, to the millisecond. */
export function newTaskId(): string {
  if (next === pool.length) {
    randomFillSync(pool);
    next = 0;
  }
  const random = pool.subarray(next, next + RANDOM_BYTES);
  next += RANDOM_BYTES;
  return uuidv7({ random });
}
