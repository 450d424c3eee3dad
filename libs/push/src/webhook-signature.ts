import { createHmac, type KeyObject, sign } from 'node:crypto';
import { webhookSecretBytes } from '#platform';

/** What is signed of a request (Standard Webhooks): its id, the second it was sent in, and the bytes of its body. */
export interface SignedRequest {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: Uint8Array;
}

/** The signature with a secret (`whsec_…`): `v1,` and the HMAC-SHA256 as base64. Throws a TypeError for what is no secret. */
export function secretSignature(request: SignedRequest, secret: string): string {
  const key = webhookSecretBytes(secret);
  if (!key) throw new TypeError('wants a secret as whsec_ and 24 to 64 bytes in base64');
  return `v1,${createHmac('sha256', key).update(head(request)).update(request.body).digest('base64')}`;
}

/** The signature with an ed25519 key: `v1a,` and the signature as base64. */
export function keySignature(request: SignedRequest, privateKey: KeyObject): string {
  return `v1a,${sign(null, signedContent(request), privateKey).toString('base64')}`;
}

/** The very bytes that are signed: `id.timestamp.body`. */
export function signedContent(request: SignedRequest): Uint8Array {
  return Buffer.concat([Buffer.from(head(request)), request.body]);
}

function head({ id, timestamp }: SignedRequest): string {
  return `${id}.${timestamp}.`;
}
