import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { A2AError } from '#protocol';

/** A set is read anew after this, and when a key is wanted that it does not have, but then not more often than that. */
const MAX_AGE_MS = 10 * 60_000;
const COOLDOWN_MS = 30_000;
const TIMEOUT_MS = 5_000;
/** No JWK set of an honest server is larger. */
const MAX_BYTES = 1024 * 1024;
const MAX_SETS = 1_000;
const RETRY_AFTER_MS = 5_000;

/** The public keys of agents elsewhere, from the JWK sets (RFC 7517, section 5) that they publish. */
export class PeerKeys {
  private readonly sets = new Map<string, JWTVerifyGetKey>();

  /**
   * The keys at this URL, for jose to choose from. Choosing rejects with jose's error where there is no such key, with A2AError
   * UNAVAILABLE where the set cannot be read now.
   */
  at(url: string): JWTVerifyGetKey {
    const known = this.sets.get(url) ?? keysAt(url);
    this.sets.delete(url);
    this.sets.set(url, known);
    for (const [oldest] of this.sets) if (this.sets.size > MAX_SETS) this.sets.delete(oldest);
    return known;
  }
}

function keysAt(url: string): JWTVerifyGetKey {
  const times = { timeoutDuration: TIMEOUT_MS, cooldownDuration: COOLDOWN_MS, cacheMaxAge: MAX_AGE_MS };
  const keys = createRemoteJWKSet(new URL(url), { ...times, [customFetch]: fetchBounded });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys) throw cause;
      const message = "The sender's keys cannot be read; try again later";
      throw new A2AError('UNAVAILABLE', { message, retryAfterMs: RETRY_AFTER_MS, cause });
    }
  };
}

async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
  const { status, body } = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error('the JWK set is too large');
    chunks.push(chunk);
  }
  return status === 200 ? new Response(Buffer.concat(chunks)) : new Response(null, { status: 502 });
}
