import { createPublicKey, sign, verify } from 'node:crypto';
import { importJWK } from 'jose';
import { expect, it } from 'vitest';
import { newCardKey } from '#protocol';
import { webhookKey } from './webhook-key.js';

it('is the same in every process that has the signing key, and another one for another signing key', async () => {
  const { privateKey } = await newCardKey();
  const [one, again, other] = await Promise.all([
    webhookKey(privateKey),
    webhookKey({ ...privateKey }),
    webhookKey((await newCardKey()).privateKey),
  ]);
  expect(again.publicKey).toEqual(one.publicKey);
  expect(other.kid).not.toBe(one.kid);
});

it('publishes what verifies its signatures, as an OKP key and as whpk_, and nothing else', async () => {
  const { kid, privateKey, publicKey } = await webhookKey((await newCardKey()).privateKey);
  expect(publicKey).toMatchObject({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid });
  expect(Object.keys(publicKey).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'whpk', 'x']);
  expect(await importJWK(publicKey)).toBeDefined();
  const { kty, crv, x, whpk } = publicKey;
  expect(Buffer.from(whpk.slice('whpk_'.length), 'base64')).toEqual(Buffer.from(x!, 'base64url'));
  const signature = sign(null, Buffer.from('text'), privateKey);
  const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' });
  expect(verify(null, Buffer.from('text'), key, signature)).toBe(true);
  expect(verify(null, Buffer.from('Text'), key, signature)).toBe(false);
});
