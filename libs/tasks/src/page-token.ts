import { createHash } from 'node:crypto';
import { A2AError } from '#protocol';
import { type TaskCursor, type TaskFilter } from '#store';

/** The page token for what follows `cursor` in the list of `filter`. Opaque to clients. */
export function encodePageToken(filter: TaskFilter, { statusTimestamp, id }: TaskCursor): string {
  return Buffer.from(JSON.stringify([filterHash(filter), statusTimestamp.getTime(), id])).toString('base64url');
}

/**
 * The position a page token stands for.
 * @throws A2AError INVALID_PARAMS for a token that this list did not issue.
 */
export function decodePageToken(filter: TaskFilter, token: string): TaskCursor {
  const cursor = parse(token);
  if (!cursor) throw A2AError.invalidParams('pageToken', 'is not one this server issued');
  if (cursor.hash !== filterHash(filter)) {
    throw A2AError.invalidParams('pageToken', 'belongs to a list with other filters');
  }
  return cursor;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const LATEST = 8.64e15;

function parse(token: string): (TaskCursor & { hash: string }) | undefined {
  if (token.length > 256) return undefined;
  try {
    const [hash, time, id] = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as unknown[];
    if (typeof hash !== 'string' || !Number.isInteger(time) || typeof id !== 'string' || !UUID.test(id))
      return undefined;
    return (time as number) < 0 || (time as number) > LATEST
      ? undefined
      : { hash, statusTimestamp: new Date(time as number), id };
  } catch {
    return undefined;
  }
}

function filterHash(filter: TaskFilter): string {
  const { tenantId, agent, contextId, state, statusTimestampAfter } = filter;
  const parts = [tenantId, agent, contextId ?? null, state ?? null, statusTimestampAfter?.getTime() ?? null];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 12);
}
