import { createHash, randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { type CardSigningKey } from '#protocol';

/** How long a token is good for: as long as receivers take the timestamp of a webhook for a fresh one. */
const LIFETIME_SECONDS = 300;
const NONCE_BYTES = 9;

/** What a token vouches for. */
export interface TokenClaims {
  /** The base URL below which `/.well-known/jwks.json` has the key. */
  readonly issuer: string;
  /** The webhook's URL, as its config has it. */
  readonly audience: string;
  readonly deliveryId: string;
  readonly taskId: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: Uint8Array;
}

/**
 * A JWT for one attempt: `iss`, `aud`, `iat`, `exp` (five minutes), a `jti` that begins with the delivery's id and is never the
 * same again, `taskId`, and the SHA-256 of the body as `request_body_sha256`, which is what receivers of A2A's samples check.
 */
export function deliveryToken(claims: TokenClaims, { algorithm, kid, key }: CardSigningKey): Promise<string> {
  const { issuer, audience, deliveryId, taskId, timestamp, body } = claims;
  return new SignJWT({ taskId, request_body_sha256: bodyHash(body) })
    .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(timestamp)
    .setExpirationTime(timestamp + LIFETIME_SECONDS)
    .setJti(`${deliveryId}.${randomBytes(NONCE_BYTES).toString('base64url')}`)
    .sign(key);
}

/** SHA-256 of a body, in hexadecimal digits. */
export function bodyHash(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}
