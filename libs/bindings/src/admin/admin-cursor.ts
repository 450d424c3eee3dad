import { createHash } from 'node:crypto';
import { A2AError } from '#protocol';

const MAX_LENGTH = 1_024;

/** Where the next page of a list begins, opaque to callers. `list` says which list with which filters it is of. */
export function encodeCursor(list: unknown, position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([hashOf(list), ...position])).toString('base64url');
}

/**
 * The position a cursor stands for, as `read` makes it of the parts.
 * @throws A2AError INVALID_PARAMS for a cursor that this list did not issue.
 */
export function decodeCursor<T>(
  list: unknown,
  cursor: string | undefined,
  read: (parts: readonly unknown[]) => T | undefined,
): T | undefined {
  if (cursor === undefined) return undefined;
  const [hash, ...parts] = partsOf(cursor);
  const position = typeof hash === 'string' ? read(parts) : undefined;
  if (position === undefined) throw A2AError.invalidParams('cursor', 'is not one that this server issued');
  if (hash !== hashOf(list)) throw A2AError.invalidParams('cursor', 'belongs to a list with other filters');
  return position;
}

function partsOf(cursor: string): unknown[] {
  if (cursor.length > MAX_LENGTH) return [];
  try {
    const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown;
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

function hashOf(list: unknown): string {
  return createHash('sha256').update(JSON.stringify(list)).digest('base64url').slice(0, 12);
}
