import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CardSigningKey, cardSigningKey, newCardKey, type NewCardKey, signCard } from '#protocol';
import { cli } from '../support/cli.js';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';

interface Page {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
}

const CARD_PATH = '/.well-known/agent-card.json';
const SERVED = { 'content-type': 'application/json', 'cache-control': 'max-age=60', etag: '"1"' };
const SKILL = { id: 'sum', name: 'Sum', description: 'Adds', tags: ['maths'] };
const folder = temporaryFolder();

let world: Server;
let url: string;
let perdure: ScriptedServer;
let made: NewCardKey;
let key: CardSigningKey;
const pages = new Map<string, Page>();

beforeAll(async () => {
  world = createServer((request, response) => {
    const page = pages.get(request.url ?? '') ?? { status: 404 };
    const body = typeof page.body === 'string' || Buffer.isBuffer(page.body) ? page.body : JSON.stringify(page.body);
    response.writeHead(page.status ?? 200, page.headers ?? SERVED).end(body ?? '');
  });
  await new Promise<void>((resolve) => world.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(world.address() as AddressInfo).port}`;
  perdure = await startScriptedServer();
  made = await newCardKey();
  key = await cardSigningKey(made.kid, made.algorithm, made.privateKey);
  pages.set('/jwks.json', { body: { keys: [made.publicKey] } });
});
afterAll(async () => {
  await perdure.close();
  await new Promise((resolve) => world.close(resolve));
});

function aCard(fields: object = {}) {
  return {
    name: 'Sums',
    description: 'Adds up',
    version: '1.0.0',
    supportedInterfaces: [{ url: 'https://example.com', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: { streaming: true },
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [SKILL],
    ...fields,
  };
}

async function aSignedCard(fields: object = {}, jku: string | null = `${url}/jwks.json`) {
  const card = aCard(fields);
  return { ...card, signatures: await signCard(card, key, jku ?? undefined) };
}

async function verify(page: Page, ...options: string[]) {
  pages.set(CARD_PATH, page);
  const { exitCode, stdout } = await cli('card', 'verify', url, ...options);
  return { exitCode, lines: stdout.trimEnd().split('\n') };
}

describe('perdure card verify', () => {
  it('says line by line what is right with a signed card', async () => {
    const { exitCode, lines } = await verify({ body: await aSignedCard() });
    expect(lines).toEqual([
      `ok       is at ${url}${CARD_PATH}, without a redirect`,
      'ok       has the content type application/json',
      'ok       is cacheable: max-age=60',
      'ok       has a validator: "1"',
      'ok       is written for A2A 1.0',
      'ok       has all required fields, of the right types',
      `ok       signatures[0] is valid (kid ${made.kid}, ES256)`,
      '',
      'The card is valid: 0 errors, 0 warnings.',
    ]);
    expect(exitCode).toBe(0);
  });

  it.each(['1.0', '0.3'])('finds no error in a card of Perdure for clients of %s', async (version) => {
    const { stdout } = await cli('card', 'verify', perdure.url, '--header', `A2A-Version: ${version}`, '--json');
    const { checks } = JSON.parse(stdout) as { checks: { level: string; field: string; message: string }[] };
    // The agents of this server have no skills.
    expect(checks.filter(({ level, field }) => level !== 'ok' && field !== 'skills')).toEqual([
      { level: 'warning', field: '', message: 'is not signed' },
    ]);
  });

  it('prints JSON for programs', async () => {
    pages.set(CARD_PATH, { body: aCard({ name: 7 }) });
    const { exitCode, stdout } = await cli('card', 'verify', url, '--json');
    const result = JSON.parse(stdout) as { valid: boolean; checks: object[] };
    expect(result.valid).toBe(false);
    expect(result.checks).toContainEqual({ level: 'error', field: 'name', message: 'must be a string, not number' });
    expect(exitCode).toBe(1);
  });

  it.each<[string, () => Page | Promise<Page>, RegExp]>([
    [
      'is redirected',
      () => ({ status: 302, headers: { location: '/elsewhere' } }),
      /redirected \(HTTP 302 to \/elsewhere\)/,
    ],
    ['is not there', () => ({ status: 404 }), /is not there: HTTP 404/],
    ['is not JSON', () => ({ body: '<html>' }), /is not JSON/],
    ['is not UTF-8', () => ({ body: Buffer.from([0x7b, 0xff]) }), /cannot be fetched: .* not UTF-8/],
    ['is endless', () => ({ body: 'x'.repeat(1_100_000) }), /cannot be fetched: .* larger than 1 MB/],
    ['is a list', () => ({ body: [] }), /must be an object, not array/],
    [
      'has another type',
      () => ({ headers: { 'content-type': 'text/html' }, body: aCard() }),
      /application\/json, not text\/html/,
    ],
    [
      'repeats a skill',
      () => ({ body: aCard({ skills: [SKILL, SKILL] }) }),
      /skills\[1\]\.id is the same as in skills\[0\]/,
    ],
    ['lacks a field', () => ({ body: aCard({ skills: undefined }) }), /skills is required/],
    [
      'was altered after it was signed',
      async () => ({ body: { ...(await aSignedCard()), description: 'Another' } }),
      /signatures\[0\] is not valid .*does not fit/,
    ],
    [
      'has a signature by a key that is not published',
      async () => ({ body: await aSignedCard({}, `${url}/other.json`) }),
      /signatures\[0\] cannot be verified .*no JWK set at .*HTTP 404/,
    ],
    [
      'has a signature that does not say where its key is',
      async () => ({ body: await aSignedCard({}, null) }),
      /cannot be verified .*names no JWK set/,
    ],
    [
      'has its key behind http',
      async () => ({ body: await aSignedCard({}, 'http://keys.example.com/') }),
      /cannot be verified .*not served over https/,
    ],
    [
      'has its key in a file',
      async () => ({ body: await aSignedCard({}, 'file:///etc/passwd') }),
      /cannot be verified .*file:\/\/\/etc\/passwd cannot be used/,
    ],
    [
      'has a signature that is none',
      () => ({ body: aCard({ signatures: ['x'] }) }),
      /signatures\[0\] is not valid: has no/,
    ],
  ])('fails for a card that %s', async (_case, page, expected) => {
    const { exitCode, lines } = await verify(await page());
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^error +.*${expected.source}`)));
    expect(exitCode).toBe(1);
  });

  it.each<[string, () => Page | Promise<Page>, RegExp]>([
    ['not cacheable', () => ({ headers: { 'content-type': 'application/json' }, body: aCard() }), /Cache-Control/],
    ['not signed', () => ({ body: aCard() }), /is not signed/],
    ['larger than it says', () => ({ body: aCard({ extra: 1 }) }), /extra is not a field/],
    [
      'signed in part',
      async () => {
        const card = await aSignedCard();
        return { body: { ...card, extra: 1 } };
      },
      /cover what A2A 1\.0 knows of the card, and nothing else/,
    ],
  ])('warns of a card that is %s', async (_case, page, expected) => {
    const { exitCode, lines } = await verify(await page());
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^warning +.*${expected.source}`)));
    expect(exitCode).toBe(0);
  });

  it('trusts the keys it is given, in a file or at a URL, and no others', async () => {
    const card = await aSignedCard({}, null);
    const trusted = join(folder, 'trusted.json');
    writeFileSync(trusted, JSON.stringify({ keys: [made.publicKey] }));
    const others = join(folder, 'others.json');
    writeFileSync(others, JSON.stringify({ keys: [(await newCardKey()).publicKey] }));
    expect((await verify({ body: card }, '--jwks', trusted)).exitCode).toBe(0);
    expect((await verify({ body: card }, '--jwks', `${url}/jwks.json`)).exitCode).toBe(0);
    for (const file of [others, join(folder, 'missing.json')]) {
      expect((await verify({ body: await aSignedCard() }, '--jwks', file)).exitCode).toBe(1);
    }
  });

  it('checks a card of 0.3', async () => {
    const legacy = {
      ...aCard({ supportedInterfaces: undefined }),
      protocolVersion: '0.3.0',
      url: 'https://example.com',
    };
    const { exitCode, lines } = await verify({ body: legacy });
    expect(lines).toContain('ok       is written for A2A 0.3');
    expect(exitCode).toBe(0);
  });

  it('says that nothing answers, and what is no URL', async () => {
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const nobody = await cli('card', 'verify', `http://127.0.0.1:${port}`);
    expect(nobody.stdout).toContain('nothing listens there');
    expect(nobody.exitCode).toBe(1);
    expect((await cli('card', 'verify', 'nonsense')).exitCode).toBe(2);
  });

  it('leaves `perdure card URL` as it is', async () => {
    const { exitCode, stdout } = await cli('card', perdure.url, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ name: 'Agent echo' });
    expect(exitCode).toBe(0);
  });
});
