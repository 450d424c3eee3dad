import { type JWK } from 'jose';

const BYTES = 32;

/** The JWK of an ed25519 key that is written as Standard Webhooks does, `whpk_…`; undefined for a text that is none. */
export function webhookPublicKey(text: string): JWK | undefined {
  const [, base64 = ''] = /^whpk_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === BYTES ? { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') } : undefined;
}
