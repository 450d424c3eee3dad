import { createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, it } from 'vitest';
import { type KeyRing, webhookKey } from '#access';
import { newWebhookSecret, packageVersion } from '#platform';
import { cardSigningKey, newCardKey } from '#protocol';
import { checkDelivery } from './delivery-check.js';
import { type DeliveryEvidence } from './delivery-evidence.js';
import { DeliveryHeaders, type RequestTerms } from './delivery-headers.js';
import { webhookPublicKey } from './webhook-public-key.js';

const URL = 'https://client.example/hooks?for=acme';
const ISSUER = 'https://agents.example';
const delivery = { id: '0199e1a2-0000-7000-8000-000000000001_7', taskId: 'task-1' };
const text = '{"statusUpdate":{"taskId":"task-1","status":{"state":"TASK_STATE_WORKING"},"metadata":{"é":1}}}';
const body = { contentType: 'application/a2a+json', bytes: Buffer.from(text), version: '1.0' };
const [secret, previous] = [newWebhookSecret(), newWebhookSecret()];
let ring: KeyRing;
let keys: JWK[];

beforeAll(async () => {
  const [now, before] = await Promise.all([newCardKey(), newCardKey()]);
  const webhooks = await Promise.all([now, before].map(({ privateKey }) => webhookKey(privateKey)));
  const signer = await cardSigningKey(now.kid, now.algorithm, now.privateKey);
  keys = [now.publicKey, before.publicKey, ...webhooks.map(({ publicKey }) => publicKey)];
  ring = { signer, webhookSigners: webhooks, published: [] };
});

function headersOf(terms: Partial<RequestTerms> = {}, at?: Date): Promise<Record<string, string>> {
  const headers = new DeliveryHeaders({ current: () => ring }, () => ISSUER);
  return headers.headers({ url: URL, secrets: [secret], ...terms }, delivery, body, at);
}

describe('the headers of a delivery', () => {
  it('are those of A2A and of Standard Webhooks', async () => {
    const at = new Date(1_700_000_000_900);
    const { 'webhook-signature': signature, ...others } = await headersOf({}, at);
    expect(signature).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(others).toEqual({
      'content-type': 'application/a2a+json',
      'content-length': String(Buffer.byteLength(text)),
      'user-agent': `Perdure/${packageVersion()}`,
      'a2a-version': '1.0',
      'webhook-id': delivery.id,
      'webhook-timestamp': '1700000000',
    });
  });

  it('have token and credentials as the config has them, both where both are given', async () => {
    expect(await headersOf({ token: 't', scheme: 'Basic', credentials: 'dTpw' })).toMatchObject({
      'x-a2a-notification-token': 't',
      'a2a-notification-token': 't',
      authorization: 'Basic dTpw',
    });
    expect(await headersOf({ scheme: 'Bearer', credentials: 'abc' })).toMatchObject({ authorization: 'Bearer abc' });
    expect(await headersOf({ scheme: 'Basic' })).not.toHaveProperty('authorization');
  });

  it('verify with the published package, by either secret of a rotation, and for nobody else', async () => {
    const headers = await headersOf({ secrets: [secret, previous] });
    for (const known of [secret, previous]) {
      expect(new Webhook(known).verify(text, headers)).toEqual(JSON.parse(text));
    }
    expect(() => new Webhook(newWebhookSecret()).verify(text, headers)).toThrow('No matching signature');
  });

  it('have a token that verifies with jose and is bound to receiver, task, delivery and body', async () => {
    const { authorization = '' } = await headersOf({ scheme: 'bearer' });
    const token = authorization.slice('Bearer '.length);
    const expected = { issuer: ISSUER, audience: URL, typ: 'JWT' };
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet({ keys }), expected);
    expect(protectedHeader).toMatchObject({ alg: 'ES256', kid: ring.signer!.kid });
    expect(payload).toMatchObject({ taskId: 'task-1', exp: payload.iat! + 300 });
    expect(payload.jti).toMatch(new RegExp(`^${delivery.id}\\.[\\w-]{12}$`));
    const again = await headersOf({ scheme: 'bearer' });
    expect(again.authorization).not.toBe(authorization);
  });

  it('have no signature by the published keys that was not asked for', async () => {
    const headers = await headersOf();
    expect(headers).not.toHaveProperty('authorization');
    expect(headers['webhook-signature']).not.toContain('v1a,');
  });
});

describe('a delivery', () => {
  const levels = async (evidence: Partial<DeliveryEvidence>) => {
    const headers = evidence.headers ?? (await headersOf({ scheme: 'Bearer', secrets: [secret, previous] }));
    const findings = await checkDelivery({ headers, body: body.bytes, ...evidence });
    return findings.filter(({ level }) => level === 'error').map(({ field, message }) => `${field} ${message}`);
  };

  it('is proven by a secret, by a published key of either generation, or by the token', async () => {
    expect(await levels({ secrets: [previous] })).toEqual([]);
    expect(await levels({ keys, issuer: ISSUER, audience: URL })).toEqual([]);
    for (const { publicKey } of ring.webhookSigners) {
      expect(await levels({ keys: [webhookPublicKey(publicKey.whpk)!] })).toEqual([]);
    }
    expect(await levels({})).toEqual([expect.stringMatching(/^proof /)]);
    expect(await levels({ secrets: [newWebhookSecret()] })).toEqual([
      expect.stringContaining('does not fit the secret'),
    ]);
  });

  const flip = (value: string, at: number) =>
    value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1);

  it('is proven no more when a byte of it is altered', async () => {
    const bearer = await headersOf({ scheme: 'Bearer' });
    const tokenless = { ...bearer, authorization: undefined };
    const proofs: [string, Partial<DeliveryEvidence> & { headers: DeliveryEvidence['headers'] }][] = [
      ['secret', { secrets: [secret], headers: tokenless }],
      ['key', { keys, headers: tokenless }],
      ['token', { keys, headers: { ...bearer, 'webhook-signature': bearer['webhook-signature']!.split(' ')[0] } }],
    ];
    for (const [name, proof] of proofs) {
      expect(await levels(proof), name).toEqual([]);
      for (let at = 0; at < body.bytes.length; at += 17) {
        const altered = Buffer.from(body.bytes);
        altered[at]! ^= 1;
        expect(await levels({ ...proof, body: altered }), `${name}, byte ${at}`).not.toEqual([]);
      }
      const id = flip(bearer['webhook-id']!, 3);
      expect(await levels({ ...proof, headers: { ...proof.headers, 'webhook-id': id } }), name).not.toEqual([]);
    }
    const later = String(Number(bearer['webhook-timestamp']) + 1);
    for (const [name, proof] of proofs.slice(0, 2)) {
      const headers = { ...proof.headers, 'webhook-timestamp': later };
      expect(await levels({ ...proof, headers }), name).not.toEqual([]);
      for (const signature of bearer['webhook-signature']!.split(' ')) {
        const broken = flip(signature, signature.length - 9);
        const all = bearer['webhook-signature']!.split(' ').map((one) =>
          one.slice(0, 4) === broken.slice(0, 4) ? broken : '',
        );
        const given = { ...proof.headers, 'webhook-signature': all.filter(Boolean).join(' ') };
        expect(await levels({ ...proof, headers: given }), name).not.toEqual([]);
      }
    }
    const token = bearer.authorization!;
    for (const at of [token.length - 20, token.indexOf('.') + 40, 'Bearer '.length + 10]) {
      const headers = { ...proofs[2]![1].headers, authorization: flip(token, at) };
      expect(await levels({ keys, headers }), `token at ${at}`).not.toEqual([]);
    }
  });

  it.each<[string, (headers: Record<string, string>) => Partial<DeliveryEvidence>, RegExp]>([
    ['without an id', (h) => ({ headers: { ...h, 'webhook-id': undefined } }), /^webhook-id is missing/],
    ['with a time that is none', (h) => ({ headers: { ...h, 'webhook-timestamp': '1e9' } }), /no number of seconds/],
    [
      'with a signature that is none',
      (h) => ({ headers: { ...h, 'webhook-signature': 'v1' } }),
      /is no <version>,<base64>/,
    ],
    ['that is late', () => ({ now: new Date(Date.now() + 301_000) }), /^webhook-timestamp is 30\d s old/],
    ['that is early', () => ({ now: new Date(Date.now() - 310_000) }), /ahead of this machine's clock/],
    ['with a line end behind it', () => ({ body: Buffer.from(`${text}\n`) }), /has got a line end/],
    [
      'that was parsed and written again',
      () => ({ body: Buffer.from(JSON.stringify(JSON.parse(text), null, 2)) }),
      /parsed and written again/,
    ],
    ['without a v1 signature', (h) => ({ headers: { ...h, 'webhook-signature': 'v9,AAAA' } }), /has no v1 signature/],
    [
      'for another receiver',
      () => ({ keys, audience: 'https://other.example' }),
      /claim "aud" is not the expected one/,
    ],
    ['of another server', () => ({ keys, issuer: 'https://other.example' }), /claim "iss" is not the expected one/],
    ['whose token is of yesterday', () => ({ keys, now: new Date(Date.now() + 86_400_000) }), /token that has expired/],
    ['with a secret that is none', () => ({ secrets: ['whsec_x'] }), /^secret 1 is no whsec_/],
  ])('%s is told what is wrong', async (_, change, expected) => {
    const headers = await headersOf({ scheme: 'Bearer' });
    expect((await levels({ headers, secrets: [secret], ...change(headers) })).join('\n')).toMatch(expected);
  });

  it('may have a token of the receiver’s own, which proves nothing', async () => {
    const { authorization } = await headersOf({ scheme: 'Bearer' });
    const headers = { ...(await headersOf()), authorization };
    const foreign = (await newCardKey()).publicKey;
    expect(await levels({ headers, secrets: [secret], keys: [foreign] })).toEqual([]);
    expect(await levels({ headers, keys: [foreign] })).toEqual([expect.stringMatching(/^proof /)]);
  });

  it('is not proven by a token without a signature, nor by one that takes a public key for a secret', async () => {
    const { authorization = '' } = await headersOf({ scheme: 'Bearer' });
    const [, payload] = authorization.split('.');
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: ring.signer!.kid, typ: 'JWT' })).toString('base64url');
      const headers = { authorization: `Bearer ${header}.${payload}.${alg === 'none' ? '' : 'AAAA'}` };
      expect(await levels({ headers, keys })).toContainEqual(expect.stringContaining('cannot be verified'));
    }
  });
});
