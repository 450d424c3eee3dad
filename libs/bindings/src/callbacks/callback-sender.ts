import { createHash } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { CARD_SIGNATURE_ALGORITHMS } from '#protocol';

/** What has to be signed. */
export interface SignedCall {
  /** The address that was called, as the sender was given it. */
  readonly url: string;
  readonly taskId: string;
  readonly body: Uint8Array;
}

/** Clocks differ. */
const TOLERANCE_S = 60;

/**
 * Whether the JWT was made by one of these keys for this very call: its address (`aud`), its task (`taskId`) and its body
 * (`request_body_sha256`, hex), not yet expired. Rejects with what `keys` rejects with, where that is not jose's.
 */
export async function isSignedBy(
  keys: JWTVerifyGetKey,
  jwt: string,
  { url, taskId, body }: SignedCall,
): Promise<boolean> {
  const claims = await claimsOf(keys, jwt, url);
  const digest = createHash('sha256').update(body).digest('hex');
  return claims?.taskId === taskId && claims.request_body_sha256 === digest;
}

async function claimsOf(keys: JWTVerifyGetKey, jwt: string, audience: string): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(jwt, keys, {
      audience,
      algorithms: [...CARD_SIGNATURE_ALGORITHMS],
      requiredClaims: ['exp', 'iat'],
      clockTolerance: TOLERANCE_S,
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
