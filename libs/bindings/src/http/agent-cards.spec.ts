import { beforeAll, describe, expect, it } from 'vitest';
import { type Agent, AgentRegistry } from '#agents';
import { type CardSigningKey, cardSigningKey, newCardKey, verifyCardSignatures } from '#protocol';
import { type KeyRing, type SigningKeys } from '#access';
import { AgentCards } from './agent-cards.js';
import { type PublicUrl } from './public-url.js';

const card = { name: 'Echo', description: 'Says it again', version: '1.0.0', skills: [] };
const registry = new AgentRegistry([
  { id: 'echo', card },
  { id: 'other', card },
] as unknown as Agent[]);
const url = { base: 'http://localhost:8080' } as PublicUrl;

function newCards(keys?: { current(): KeyRing }, target?: string) {
  const config = { secretKeys: [], databaseUrl: 'postgres://db' };
  return new AgentCards(registry, url, { target } as never, config, keys as SigningKeys | undefined);
}

async function json(cards: AgentCards, path: object, variant: 'current' | 'hybrid' = 'current') {
  return JSON.parse((await cards.at(path, variant))!.body);
}

describe('AgentCards', () => {
  it('makes a card once, for each kind of callers', async () => {
    const cards = newCards();
    expect(await cards.at({ tenant: 'acme' }, 'current')).toBe(await cards.at({ tenant: 'acme' }, 'current'));
    expect(await cards.at({ tenant: 'acme' }, 'current')).not.toBe(await cards.at({ tenant: 'acme' }, 'hybrid'));
  });

  it('forgets the oldest of a thousand, and makes it again when it is asked for', async () => {
    const cards = newCards();
    const first = await cards.at({ tenant: 'first' }, 'current');
    for (let n = 0; n < 999; n++) await cards.at({ tenant: `t${n}` }, 'current');
    expect(await cards.at({ tenant: 'first' }, 'current')).toBe(first);
    await cards.at({ tenant: 'one-more' }, 'current');
    expect(await cards.at({ tenant: 'first' }, 'current')).not.toBe(first);
    expect(await cards.at({ tenant: 'first' }, 'current')).toEqual(first);
  });

  it.each([
    [{}, '', {}],
    [{ agent: 'echo' }, '/agents/echo', { tenant: '/echo' }],
    [{ tenant: 'acme' }, '/acme', { tenant: 'acme' }],
    [{ agent: 'other', tenant: 'acme' }, '/agents/other/acme', { tenant: 'acme/other' }],
    [{ tenant: 'acme/other' }, '/agents/other/acme', { tenant: 'acme/other' }],
  ])('names JSON-RPC, HTTP+JSON and gRPC, in this order: %j', async (path, below, key) => {
    const { supportedInterfaces } = await json(newCards(undefined, 'localhost:50051'), path);
    expect(supportedInterfaces).toEqual([
      { url: `http://localhost:8080${below}`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      { url: `http://localhost:8080${below}`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
      { url: 'localhost:50051', protocolBinding: 'GRPC', protocolVersion: '1.0', ...key },
    ]);
  });

  it('names no gRPC where that is off', async () => {
    const { supportedInterfaces } = await json(newCards(), {});
    expect(supportedInterfaces.map((entry: { protocolBinding: string }) => entry.protocolBinding)).not.toContain(
      'GRPC',
    );
  });

  it('names the addresses of 0.3 behind those of 1.0 in the hybrid card alone', async () => {
    const versions = async (variant: 'current' | 'hybrid') =>
      (await json(newCards(), {}, variant)).supportedInterfaces.map((entry: any) => entry.protocolVersion); // eslint-disable-line @typescript-eslint/no-explicit-any
    expect(await versions('current')).toEqual(['1.0', '1.0']);
    expect(await versions('hybrid')).toEqual(['1.0', '1.0', '0.3', '0.3']);
  });
});

describe('AgentCards with keys', () => {
  let signer: CardSigningKey;
  let key: object;
  let ring: KeyRing;
  const keys = { current: () => ring };

  async function newRing(signsSince: Date): Promise<KeyRing> {
    const made = await newCardKey();
    signer = await cardSigningKey(made.kid, made.algorithm, made.privateKey);
    key = made.publicKey;
    return { signer, webhookSigners: [], signsSince, published: [JSON.stringify(key)], publishedSince: signsSince };
  }

  beforeAll(async () => {
    ring = await newRing(new Date('2020-01-01T00:00:00Z'));
  });

  it('signs each variant over what it says', async () => {
    const cards = newCards(keys);
    for (const variant of ['current', 'hybrid'] as const) {
      const verdicts = await verifyCardSignatures(await json(cards, {}, variant), async () => [key]);
      expect(verdicts.length).toBeGreaterThan(0);
      expect(verdicts.map(({ state }) => state)).toEqual(verdicts.map(() => 'valid'));
    }
  });

  it('gives one tag to the different signatures that replicas make of one card', async () => {
    const [one, other] = [await newCards(keys).at({}, 'current'), await newCards(keys).at({}, 'current')];
    expect(one!.body).not.toBe(other!.body);
    expect(one!.etag).toBe(other!.etag);
    expect(one!.etag).toMatch(/^W\/"[^"]+"$/);
  });

  it('signs again with a new key, under another tag, from when that began to sign', async () => {
    const cards = newCards(keys);
    const before = (await cards.at({}, 'current'))!;
    const since = new Date(Math.floor(Date.now() / 1_000 + 60) * 1_000);
    ring = await newRing(since);
    const after = (await cards.at({}, 'current'))!;
    expect(after.etag).not.toBe(before.etag);
    expect(after.lastModified).toEqual(since);
    expect(before.lastModified.getTime()).toBeLessThan(since.getTime());
    expect(await verifyCardSignatures(JSON.parse(after.body), async () => [key as never])).toMatchObject([
      { state: 'valid', kid: signer.kid, jku: 'http://localhost:8080/.well-known/jwks.json' },
      { state: 'valid' },
    ]);
  });
});
