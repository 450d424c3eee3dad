import { createServer } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type KeyRing, webhookKey } from '#access';
import { newWebhookSecret } from '#platform';
import { cardSigningKey, newCardKey } from '#protocol';
import { DeliveryHeaders, type RequestTerms } from '#push';
import { cli, CliRun } from '../support/cli.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const ISSUER = 'https://agents.example';
const HOOK = 'https://client.example/hook';
const TEXT = '{"task":{"id":"t-1","contextId":"c-1"}}';
const folder = temporaryFolder();
const [secret, stranger] = [newWebhookSecret(), newWebhookSecret()];
let ring: KeyRing;
let jwks: string;

beforeAll(async () => {
  const { kid, algorithm, privateKey, publicKey } = await newCardKey();
  const webhook = await webhookKey(privateKey);
  const signer = await cardSigningKey(kid, algorithm, privateKey);
  ring = { signer, webhookSigners: [webhook], published: [] };
  jwks = JSON.stringify({ keys: [publicKey, webhook.publicKey] });
});

afterEach(() => vi.unstubAllEnvs());

/** A file of this name in the test's folder. */
async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function received(terms: Partial<RequestTerms> = {}, at?: Date): Promise<Record<string, string>> {
  const body = { contentType: 'application/a2a+json', bytes: Buffer.from(TEXT) };
  const headers = new DeliveryHeaders({ current: () => ring }, () => ISSUER);
  const delivery = { id: '0199e1a2-0000-7000-8000-000000000001_1', taskId: 't-1' };
  return headers.headers({ url: HOOK, secrets: [secret], ...terms }, delivery, body, at);
}

const lines = (headers: Record<string, string>) =>
  ['POST /hook HTTP/1.1', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join('\r\n');

describe('perdure webhooks verify', () => {
  it('finds a webhook authentic by its secret, with headers as lines, as JSON and one by one', async () => {
    const headers = await received();
    const body = await file('body.json', TEXT);
    const asLines = await file('headers.txt', lines(headers));
    const asJson = await file('headers.json', JSON.stringify(headers));
    const oneByOne = Object.entries(headers).flatMap(([name, value]) => [
      '--header',
      `${name.toUpperCase()}: ${value}`,
    ]);
    for (const given of [['--headers', asLines], ['--headers', asJson], oneByOne]) {
      const { exitCode, stdout } = await cli(
        'webhooks',
        'verify',
        body,
        ...given,
        '--secret',
        stranger,
        '--secret',
        secret,
      );
      expect(stdout).toMatch(/^ok +webhook-signature fits the secret \(v1\)$/m);
      expect(stdout).toMatch(/The webhook is authentic\.\n$/);
      expect(exitCode).toBe(0);
    }
  });

  it('reads the body from stdin, and the secret out of sight', async () => {
    vi.stubEnv('PERDURE_WEBHOOK_SECRET', secret);
    const run = new CliRun(['webhooks', 'verify', '--headers', await file('headers.txt', lines(await received()))]);
    run.types(TEXT);
    run.endsInput();
    expect(await run.ended).toBe(1);
    expect(run.stdout).toMatch(/^error +webhook-signature .* has got a line end that was not sent/m);
  });

  it('verifies signature and token with the keys that the server publishes', async () => {
    const server = createServer((_, response) => response.end(jwks)).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`;
    const headers = await file('headers.txt', lines(await received({ scheme: 'Bearer' })));
    const verify = ['webhooks', 'verify', await file('body.json', TEXT), '--headers', headers, '--issuer', ISSUER];
    for (const place of [url, await file('jwks.json', jwks)]) {
      const { exitCode, stdout } = await cli(...verify, '--audience', HOOK, '--jwks', place);
      expect(stdout).toMatch(/^ok +webhook-signature fits the ed25519 key \S+ \(v1a\)$/m);
      expect(stdout).toMatch(/^ok +authorization has a token by the key \S+: iss https:\/\/agents\.example/m);
      expect(exitCode).toBe(0);
    }
    const other = await cli(...verify, '--audience', 'https://other.example', '--jwks', url, '--json');
    expect(other.exitCode).toBe(1);
    expect(JSON.parse(other.stdout)).toMatchObject({ authentic: false });
    expect(other.stdout).toContain('claim \\"aud\\" is not the expected one');
  });

  it('verifies with a key as Standard Webhooks writes it', async () => {
    const { authorization: _, ...headers } = await received({ scheme: 'Bearer', secrets: [] });
    const given = [
      '--headers',
      await file('headers.txt', lines(headers)),
      '--key',
      ring.webhookSigners[0]!.publicKey.whpk,
    ];
    expect((await cli('webhooks', 'verify', await file('body.json', TEXT), ...given)).exitCode).toBe(0);
    expect((await cli('webhooks', 'verify', await file('body.json', `${TEXT} `), ...given)).exitCode).toBe(1);
  });

  it('takes one that was kept for what it was when it came', async () => {
    const headers = await file('headers.txt', lines(await received({}, new Date('2026-01-01T10:00:00Z'))));
    const verify = ['webhooks', 'verify', await file('body.json', TEXT), '--headers', headers, '--secret', secret];
    const late = await cli(...verify);
    expect(late.stdout).toMatch(/^error +webhook-timestamp is \d+ s old/m);
    expect(late.exitCode).toBe(1);
    expect((await cli(...verify, '--at', '2026-01-01T10:01:00Z')).exitCode).toBe(0);
  });

  it.each([
    [['nowhere.json', '--header', 'webhook-id: 1', '--secret', secret], /^The body cannot be read: /],
    [['--secret', secret], /^No headers: /],
    [['--header', 'webhook-id: 1'], /^Nothing to verify with: /],
    [['--header', 'webhook-id: 1', '--key', 'whpk_x'], /is no key/],
    [['--header', 'webhook-id: 1', '--jwks', 'nowhere.json'], /^No keys: /],
    [['--headers', 'nowhere.txt', '--secret', secret], /^The headers cannot be read: /],
    [['--header', 'no header'], /Write it as 'name: value'/],
    [['--at', 'noon'], /Write it as 2026-/],
  ])('refuses the usage %j', async (args, expected) => {
    const { exitCode, stderr } = await cli('webhooks', 'verify', ...args);
    expect(stderr).toMatch(expected);
    expect(exitCode).toBe(2);
  });
});
