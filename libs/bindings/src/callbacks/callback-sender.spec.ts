import { createHash } from 'node:crypto';
import { createLocalJWKSet, type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { isSignedBy } from './callback-sender.js';

const URL_OF_OURS = 'https://perdure.example/callbacks/1';
const body = Buffer.from('{"task":{"id":"t1"}}');
const call = { url: URL_OF_OURS, taskId: 't1', body };

let peer: CryptoKey;
let stranger: CryptoKey;
let keys: ReturnType<typeof createLocalJWKSet>;

beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  peer = pair.privateKey;
  stranger = (await generateKeyPair('ES256')).privateKey;
  keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] });
});

const now = () => Math.floor(Date.now() / 1_000);

function jwt(changes: JWTPayload = {}, { key = peer, kid = 'k1' } = {}): Promise<string> {
  const digest = createHash('sha256').update(body).digest('hex');
  const claims = { aud: URL_OF_OURS, iat: now(), exp: now() + 300, taskId: 't1', request_body_sha256: digest };
  return new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
}

describe('isSignedBy', () => {
  it('accepts what the peer has signed for this call', async () => {
    expect(await isSignedBy(keys, await jwt(), call)).toBe(true);
  });

  it.each<[string, () => Promise<string>]>([
    ['another address', () => jwt({ aud: 'https://perdure.example/callbacks/2' })],
    ['no address', () => jwt({ aud: undefined })],
    ['another task', () => jwt({ taskId: 't2' })],
    ['another body', () => jwt({ request_body_sha256: '0'.repeat(64) })],
    ['no body', () => jwt({ request_body_sha256: undefined })],
    ['a time that is over', () => jwt({ exp: now() - 120 })],
    ['no end', () => jwt({ exp: undefined })],
  ])('refuses a signature for %s', async (_, token) => {
    expect(await isSignedBy(keys, await token(), call)).toBe(false);
  });

  it.each<[string, () => Promise<string>]>([
    ['by a stranger’s key', () => jwt({}, { key: stranger })],
    ['by a key that the peer does not publish', () => jwt({}, { key: stranger, kid: 'k2' })],
    ['by nobody', async () => (await jwt()).replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString('base64url'))],
    [
      'with the public key as a secret',
      () => new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32)),
    ],
    ['in no form that is known', async () => 'x.y'],
  ])('refuses one %s', async (_, token) => {
    expect(await isSignedBy(keys, await token(), call)).toBe(false);
  });

  it('says where the keys cannot be had', async () => {
    const away = () => Promise.reject(new Error('away'));
    await expect(isSignedBy(away, await jwt(), call)).rejects.toThrow('away');
  });
});
