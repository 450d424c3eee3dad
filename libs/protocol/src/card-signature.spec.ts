import {
  AgentCard as SdkAgentCard,
  canonicalizeAgentCard,
  generateAgentCardSignature,
  verifyAgentCardSignature,
} from '@a2a-js/sdk';
import { base64url, calculateJwkThumbprint, type JWK } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import { canonicalForms } from './card-form.js';
import { cardSigningKey, newCardKey } from './card-key.js';
import vectors from './card-signature.vectors.json' with { type: 'json' };
import { signCard, verifyCardSignatures } from './card-signature.js';
import { type AgentCardJson } from './gen/lf/a2a/v1/a2a_pb.js';

type Signed = AgentCardJson & { signatures: { protected: string; signature: string }[] };

const CARD: AgentCardJson = {
  name: 'Sums',
  description: 'Adds up',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'https://example.com/', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: { streaming: true },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 'sum', name: 'Sum', description: 'Adds', tags: ['maths'] }],
};

const among = (keys: readonly JWK[]) => async () => keys;
const known = among(vectors.keys.map(({ public: key }) => key as JWK));

async function signed(card = CARD) {
  const made = await newCardKey();
  const key = await cardSigningKey(made.kid, made.algorithm, made.privateKey);
  const jku = 'https://example.com/.well-known/jwks.json';
  return { card: { ...card, signatures: await signCard(card, key, jku) } as Signed, key: made.publicKey };
}

describe('the vectors', () => {
  const cases = vectors.vectors.flatMap(({ name, card, forms, signatures }) =>
    Object.entries(signatures).map(([alg, list]) => ({ name, alg, card: { ...card, signatures: list }, forms })),
  );

  it.each(cases)('verify: $name by $alg', async ({ card, forms, alg }) => {
    expect(canonicalForms(card)).toEqual(forms);
    const verdicts = await verifyCardSignatures(card, known);
    expect(verdicts).toEqual(forms.map(({ form }) => expect.objectContaining({ state: 'valid', form, alg })));
  });

  it.each(cases)('verify with the official SDK: $name by $alg', async ({ card }) => {
    vi.spyOn(console, 'debug').mockImplementation(() => undefined);
    const key = async (kid: string) => vectors.keys.find(({ public: { kid: id } }) => id === kid)!.public as JWK;
    await verifyAgentCardSignature(key)(card as never);
  });

  it.each(cases)('do not verify once the card is altered: $name by $alg', async ({ card }) => {
    const altered = { ...card, version: `${card.version}.1` };
    for (const { state, reason } of await verifyCardSignatures(altered, known)) {
      expect({ state, reason }).toEqual({ state: 'invalid', reason: expect.stringContaining('does not fit') });
    }
  });
});

describe('a signature', () => {
  it('has a header with alg, typ, kid and jku, the kid being the thumbprint of the key', async () => {
    const { card, key } = await signed();
    expect(card.signatures).toHaveLength(1);
    expect(JSON.parse(new TextDecoder().decode(base64url.decode(card.signatures[0]!.protected)))).toEqual({
      alg: 'ES256',
      typ: 'JOSE',
      kid: await calculateJwkThumbprint(key),
      jku: 'https://example.com/.well-known/jwks.json',
    });
    expect(key).not.toHaveProperty('d');
  });

  it('fits the card whatever the order of its members', async () => {
    const { card, key } = await signed();
    const reversed = Object.fromEntries(Object.entries(card).reverse());
    expect(await verifyCardSignatures(reversed, among([key]))).toMatchObject([{ state: 'valid', form: 'protocol' }]);
  });

  it('of the official SDK verifies, also where that leaves required fields out', async () => {
    vi.spyOn(console, 'debug').mockImplementation(() => undefined);
    const made = await newCardKey();
    const sign = generateAgentCardSignature(made.privateKey, { alg: 'ES256', kid: made.kid, typ: 'JOSE' });
    for (const [card, form] of [
      [CARD, 'protocol'],
      [{ ...CARD, description: '', skills: [] }, 'pruned'],
    ] as const) {
      const result = SdkAgentCard.toJSON(await sign(SdkAgentCard.fromJSON(card)));
      const received = { ...(result as object), description: card.description, skills: card.skills };
      expect(await verifyCardSignatures(received, among([made.publicKey]))).toMatchObject([{ state: 'valid', form }]);
    }
  });

  it('covers the fields of 0.3 in a hybrid card, by one of its signatures', async () => {
    const { card, key } = await signed({ ...CARD, url: 'https://example.com/' } as AgentCardJson);
    const states = async (given: object) =>
      (await verifyCardSignatures(given, among([key]))).map(({ state, form }) => `${state} ${form}`);
    expect(await states(card)).toEqual(['valid protocol', 'valid received']);
    expect(await states({ ...card, url: 'https://evil.example/' })).toEqual(['valid protocol', 'invalid undefined']);
  });

  it.each([
    ['a key of another kid', { kid: 'other' }, 'key-not-found', /there is no key/],
    ['a key that expired', { exp: 1_000 }, 'invalid', /expired at 1970/],
    ['a key that is not valid yet', { nbf: 9e9 }, 'invalid', /not valid before 2255/],
    ['a revoked key', { revoked: { revoked_at: 1_000 } }, 'invalid', /revoked/],
    ['a key for another algorithm', { alg: 'ES384' }, 'invalid', /for ES384/],
    ['a key for encryption', { use: 'enc' }, 'invalid', /"enc"/],
    ['a key that may only sign', { key_ops: ['sign'] }, 'invalid', /key_ops/],
    ['a key that is broken', { x: 'AAAA' }, 'invalid', /does not fit/],
  ])('does not verify with %s', async (_case, change, state, reason) => {
    const { card, key } = await signed();
    const verdict = await verifyCardSignatures(card, among([{ ...key, ...change }]));
    expect(verdict).toMatchObject([{ state, reason: expect.stringMatching(reason) }]);
  });

  it('does not verify with another key of the same kid, and does with the right one beside it', async () => {
    const { card, key } = await signed();
    const other = { ...(await newCardKey()).publicKey, kid: key.kid };
    expect(await verifyCardSignatures(card, among([other]))).toMatchObject([{ state: 'invalid' }]);
    expect(await verifyCardSignatures(card, among([other, key]))).toMatchObject([{ state: 'valid' }]);
  });

  it('is looked at in the company of 15 others, and of 7 keys of its kid, and no more', async () => {
    const { card, key } = await signed();
    const many = { ...card, signatures: Array.from({ length: 18 }, () => card.signatures[0]!) };
    const lookup = vi.fn(among([key]));
    const states = (await verifyCardSignatures(many, lookup)).map(({ state }) => state);
    expect(states).toEqual([...Array(16).fill('valid'), 'invalid', 'invalid']);
    expect(lookup).toHaveBeenCalledTimes(16);
    const others = Array.from({ length: 8 }, () => ({ ...key, alg: 'ES384' }));
    expect(await verifyCardSignatures(card, among([...others.slice(1), key]))).toMatchObject([{ state: 'valid' }]);
    expect(await verifyCardSignatures(card, among([...others, key]))).toMatchObject([{ state: 'invalid' }]);
  });

  it('gives the reason why its key could not be had', async () => {
    const { card } = await signed();
    const lookup = async () => Promise.reject(new Error('no answer from example.com'));
    expect(await verifyCardSignatures(card, lookup)).toMatchObject([
      {
        state: 'key-not-found',
        reason: 'no answer from example.com',
        jku: 'https://example.com/.well-known/jwks.json',
      },
    ]);
  });

  const header = (value: unknown) => base64url.encode(JSON.stringify(value));
  it.each([
    ['no object', 'text', /no texts/],
    ['without a header', { signature: 'AA' }, /no texts/],
    ['with a header that is no JSON', { protected: 'AAAA', signature: 'AA' }, /no base64url/],
    ['of no algorithm', { protected: header({ alg: 'none', kid: 'a' }), signature: '' }, /alg none/],
    ['of a shared secret', { protected: header({ alg: 'HS256', kid: 'a' }), signature: '' }, /alg HS256/],
    ['without a kid', { protected: header({ alg: 'ES256' }), signature: 'AA' }, /no kid/],
    [
      'with critical parameters',
      { protected: header({ alg: 'ES256', kid: 'a', crit: ['b64'] }), signature: 'A' },
      /crit/,
    ],
  ])('that is %s is refused before any key is asked for', async (_case, signature, reason) => {
    const lookup = vi.fn();
    const verdicts = await verifyCardSignatures({ ...CARD, signatures: [signature] }, lookup);
    expect(verdicts).toEqual([{ state: 'invalid', reason: expect.stringMatching(reason) }]);
    expect(lookup).not.toHaveBeenCalled();
  });

  it('is none for what is no card', async () => {
    await expect(verifyCardSignatures({ skills: 'all' }, known)).rejects.toMatchObject({ reason: 'INVALID_PARAMS' });
  });
});

describe('the canonical form', () => {
  const text = (fields: object) =>
    JSON.parse(canonicalForms({ ...CARD, ...fields })[0]!.text) as Record<string, unknown>;

  it('is the one of the specification’s example', () => {
    const fragment = {
      name: 'Example Agent',
      description: '',
      capabilities: { streaming: false, pushNotifications: false, extensions: [] },
      skills: [],
    };
    expect(text(fragment)).toMatchObject({
      capabilities: { pushNotifications: false, streaming: false },
      description: '',
      skills: [],
    });
    expect(text(fragment).capabilities).not.toHaveProperty('extensions');
  });

  it('has optional fields where they are set, to their default too, and leaves them out where they are not', () => {
    expect(text({ iconUrl: '', documentationUrl: '' })).toMatchObject({ iconUrl: '', documentationUrl: '' });
    expect(text({})).not.toHaveProperty('iconUrl');
    expect(text({ capabilities: {} }).capabilities).toEqual({});
  });

  it('leaves out other fields at their default, and the signatures', () => {
    const extensions = [{ uri: 'https://e.example', description: '', required: false }];
    const card = text({
      securitySchemes: {},
      securityRequirements: [],
      signatures: [{ protected: 'a', signature: 'b' }],
      capabilities: { extensions },
      supportedInterfaces: [{ url: 'u', protocolBinding: 'GRPC', protocolVersion: '1.0', tenant: '' }],
    });
    expect(Object.keys(card)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/provider|securit|signatures/)]),
    );
    expect(card.capabilities).toEqual({ extensions: [{ uri: 'https://e.example' }] });
    expect(card.supportedInterfaces).toEqual([{ url: 'u', protocolBinding: 'GRPC', protocolVersion: '1.0' }]);
  });

  it.each([
    ['apiKeySecurityScheme', { location: 'header', name: 'X-Key' }, {}],
    ['httpAuthSecurityScheme', { scheme: 'Bearer', bearerFormat: 'JWT' }, {}],
    ['httpAuthSecurityScheme', { scheme: 'Basic' }, { bearerFormat: '', description: '' }],
    ['openIdConnectSecurityScheme', { openIdConnectUrl: 'https://id.example/c', description: 'Sign in' }, {}],
    ['mtlsSecurityScheme', {}, { description: '' }],
    ['oauth2SecurityScheme', { flows: { clientCredentials: { tokenUrl: 't', scopes: {} } } }, {}],
    ['oauth2SecurityScheme', { flows: { deviceCode: { deviceAuthorizationUrl: 'd', tokenUrl: 't', scopes: {} } } }, {}],
    [
      'oauth2SecurityScheme',
      { flows: { authorizationCode: { authorizationUrl: 'a', tokenUrl: 't', scopes: { read: '' } } } },
      { oauth2MetadataUrl: '' },
    ],
    ['oauth2SecurityScheme', { flows: { implicit: { authorizationUrl: 'a' } } }, {}],
    ['oauth2SecurityScheme', { flows: { password: { tokenUrl: 't', scopes: { all: 'All' } } } }, {}],
  ])('has %s with the fields it must have, and no other default', (kind, scheme, defaults) => {
    expect(text({ securitySchemes: { s: { [kind]: { ...scheme, ...defaults } } } }).securitySchemes).toEqual({
      s: { [kind]: scheme },
    });
  });

  it('orders members by UTF-16 code units and writes numbers as ECMAScript does (RFC 8785)', () => {
    const params = {
      '\u20ac': 1,
      '\r': 2,
      '\ufb33': 3,
      '1': 4,
      '\u{1f600}': 5,
      '\u0080': 6,
      ö: 7,
      n: 333333333.33333329,
    };
    const capabilities = { extensions: [{ uri: 'https://e.example', params }] };
    expect(canonicalForms({ ...CARD, capabilities })[0]!.text).toContain(
      '{"\\r":2,"1":4,"n":333333333.3333333,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    );
  });

  it('is the SDK’s own where nothing in the card is empty', () => {
    expect(canonicalForms(CARD)).toEqual([{ form: 'protocol', text: canonicalizeAgentCard(CARD as never) }]);
  });
});
