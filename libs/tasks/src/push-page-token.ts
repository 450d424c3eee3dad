import { createHash } from 'node:crypto';
import { A2AError } from '#protocol';
import { type PushConfigKey, type TaskKey } from '#store';

/** The page token for what follows the config in the list of its task's webhooks. Opaque to clients. */
export function encodePushPageToken({ id, ...task }: PushConfigKey): string {
  return Buffer.from(JSON.stringify([hashOf(task), id])).toString('base64url');
}

/**
 * The id after which the page begins.
 * @throws A2AError INVALID_PARAMS for a token that this list did not issue.
 */
export function decodePushPageToken(task: TaskKey, token: string): string {
  const [hash, id] = parse(token);
  if (typeof hash !== 'string' || typeof id !== 'string' || id.includes('\0') || /\p{Surrogate}/u.test(id)) {
    throw A2AError.invalidParams('pageToken', 'is not one this server issued');
  }
  if (hash !== hashOf(task)) throw A2AError.invalidParams('pageToken', 'belongs to the webhooks of another task');
  return id;
}

/** Ids have up to 255 characters, each of which may take several bytes, and an escape in JSON. */
const MAX_TOKEN = 4_096;

function parse(token: string): unknown[] {
  if (token.length > MAX_TOKEN) return [];
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return [];
  }
}

function hashOf({ tenantId, taskId }: TaskKey): string {
  return createHash('sha256')
    .update(JSON.stringify([tenantId, taskId]))
    .digest('base64url')
    .slice(0, 12);
}
