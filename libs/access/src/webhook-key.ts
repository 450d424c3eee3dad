import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';

/** What the derivation is bound to: a key that is derived from the same one for something else has nothing in common with it. */
const PURPOSE = 'perdure webhook signatures ed25519';
const SEED_BYTES = 32;
/** A PKCS #8 document of an ed25519 key, up to its seed (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An ed25519 key that signs webhooks (`v1a` of Standard Webhooks). */
export interface WebhookKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly privateKey: KeyObject;
  /** What the JWKS shows: an OKP key (RFC 8037), whose member `whpk` has it as Standard Webhooks writes it. */
  readonly publicKey: JWK & { readonly whpk: string };
}

/**
 * The key that signs webhooks while `privateKey`, the private JWK of a signing key, is in force. It is derived from that one by
 * HKDF, so that both are made, published, replaced and forgotten together.
 */
export async function webhookKey({ d = '' }: JWK): Promise<WebhookKey> {
  const seed = Buffer.from(hkdfSync('sha256', Buffer.from(d, 'base64url'), '', PURPOSE, SEED_BYTES));
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  const { kty = '', crv = '', x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint({ kty, crv, x });
  const whpk = `whpk_${Buffer.from(x, 'base64url').toString('base64')}`;
  return { kid, privateKey, publicKey: { kty, crv, x, kid, alg: 'EdDSA', use: 'sig', whpk } };
}
