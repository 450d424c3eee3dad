import { createHash } from 'node:crypto';
import { type CallContext } from '#protocol';

/**
 * The id of the task that a caller knows by an id of its own choice: a UUID (version 8, RFC 9562) made of that name and of all
 * that keeps callers apart, so that it is found again without being written down anywhere.
 */
export function clientTaskId({ tenant, agent, principal }: CallContext, name: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([tenant, agent, principal, name]))
    .digest();
  digest[6] = 0x80 | (digest[6]! & 0x0f);
  digest[8] = 0x80 | (digest[8]! & 0x3f);
  const hex = digest.toString('hex', 0, 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
