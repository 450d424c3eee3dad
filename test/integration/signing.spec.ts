import { statSync } from 'node:fs';
import { join } from 'node:path';
import { AgentCard as SdkAgentCard, generateAgentCardSignature, verifyAgentCardSignature } from '@a2a-js/sdk';
import { type JWK } from 'jose';
import pg from 'pg';
import { pino } from 'pino';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { SigningKeys } from '#access';
import { AgentRegistry } from '#agents';
import { type Config, loadConfig, openSecrets, Secrets } from '#platform';
import { type AgentCardJson, newCardKey, verifyCardSignatures } from '#protocol';
import { Tasks } from '#tasks';
import { type RunningProcess } from '../../apps/process/src/start-process.js';
import { startServer } from '../../apps/server/src/server.js';
import { ECHO_AGENT } from '../support/agent-folders.js';
import { cli } from '../support/cli.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';
import { scriptedAgent } from '../support/scripted-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const SECRET = Buffer.alloc(32, 7).toString('base64');
const CARD = '/agents/echo/.well-known/agent-card.json';
const JWKS = '/.well-known/jwks.json';
const dataDir = temporaryFolder();

afterEach(() => vi.unstubAllEnvs());

async function newDatabase(): Promise<string> {
  const url = await createDatabase();
  onTestFinished(() => dropDatabase(url));
  return url;
}

function settings(env: Record<string, string>): Config {
  const quiet = { PORT: '0', GRPC_PORT: 'off', PERDURE_LOG_LEVEL: 'silent', PERDURE_AGENTS: ECHO_AGENT };
  return loadConfig({ ...quiet, ...env });
}

/** A server that is stopped with the test, before its database goes. */
async function serve(config: Config): Promise<RunningProcess> {
  const server = await startServer(config);
  onTestFinished(() => server.stop());
  return server;
}

async function cardOf(server: RunningProcess, version?: string): Promise<AgentCardJson> {
  const headers: Record<string, string> = version === undefined ? {} : { 'a2a-version': version };
  return (await (await fetch(server.url + CARD, { headers })).json()) as AgentCardJson;
}

/** The published keys of cards; those of webhooks stand beside them. */
async function keysOf(server: RunningProcess): Promise<(JWK & { kid: string })[]> {
  const { keys } = (await (await fetch(server.url + JWKS)).json()) as { keys: (JWK & { kid: string })[] };
  return keys.filter(({ kty }) => kty === 'EC');
}

async function signerOf(server: RunningProcess): Promise<string> {
  const [verdict] = await verifyCardSignatures(await cardOf(server, '1.0'), async () => keysOf(server));
  expect(verdict?.state).toBe('valid');
  return verdict!.kid!;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

describe('a signed card', () => {
  it('verifies with the official SDK, in both variants, parsed by it or not', async () => {
    vi.spyOn(console, 'debug').mockImplementation(() => undefined);
    const server = await serve(settings({ DATABASE_URL: await newDatabase(), PERDURE_SECRET_KEY: SECRET }));
    const asked: unknown[] = [];
    const verify = verifyAgentCardSignature(async (kid, jku) => {
      asked.push(jku);
      return (await keysOf(server)).find((key) => key.kid === kid)!;
    });
    for (const version of ['1.0', '0.3', undefined]) {
      const card = await cardOf(server, version);
      await verify(card as never);
      await verify(SdkAgentCard.fromJSON(card));
      await expect(verify({ ...card, description: 'Another' } as never)).rejects.toThrow('No valid signatures');
    }
    expect(new Set(asked)).toEqual(new Set([server.url + JWKS]));
  });

  it('of the official SDK verifies with ours, and stops to when it is altered', async () => {
    const server = await serve(settings({ DATABASE_URL: await newDatabase() }));
    const { kid, privateKey, publicKey } = await newCardKey();
    const sign = generateAgentCardSignature(privateKey, { alg: 'ES256', kid, typ: 'JOSE' });
    const card = SdkAgentCard.toJSON(await sign(SdkAgentCard.fromJSON(await cardOf(server, '1.0')))) as object;
    const verdicts = (given: object) => verifyCardSignatures(given, async () => [publicKey]);
    expect(await verdicts(card)).toMatchObject([{ state: 'valid' }]);
    expect(await verdicts({ ...card, version: '9' })).toMatchObject([{ state: 'invalid' }]);
  });

  it('is not sent again, and neither are the keys, to a client that has them', async () => {
    const server = await serve(settings({ DATABASE_URL: await newDatabase(), PERDURE_SECRET_KEY: SECRET }));
    for (const path of [CARD, JWKS]) {
      const { headers } = await fetch(server.url + path);
      expect(headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
      expect(headers.get('access-control-allow-origin')).toBe('*');
      const conditions: [string, string][] = [
        ['if-none-match', headers.get('etag')!],
        ['if-modified-since', headers.get('last-modified')!],
      ];
      for (const condition of conditions) {
        expect((await fetch(server.url + path, { headers: [condition] })).status).toBe(304);
      }
    }
  });
});

describe('the keys', () => {
  it('rotate without a gap over two servers that run', async () => {
    const env = { DATABASE_URL: await newDatabase(), PERDURE_SECRET_KEY: SECRET };
    const servers = [await serve(settings(env)), await serve(settings(env))];
    const [one, other] = servers as [RunningProcess, RunningProcess];
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    const old = await signerOf(one);
    expect(await signerOf(other)).toBe(old);
    const before = await fetch(one.url + CARD);

    const { exitCode, stdout } = await cli('keys', 'rotate', '--lead', '2s', '--keep', '2s');
    expect(exitCode).toBe(0);
    const next = /^Key (\S+) is published; it signs from /.exec(stdout)![1]!;
    // Whoever fetched the keys before the first card by the new key has that key.
    await until(async () => (await Promise.all(servers.map(keysOf))).every((keys) => keys.length === 2));
    const early = await keysOf(one);
    expect(early.map(({ kid }) => kid).sort()).toEqual([old, next].sort());
    expect(await signerOf(other)).toBe(old);

    const seen = new Set<string>();
    await until(async () => {
      const cards = await Promise.all(servers.map((server) => cardOf(server)));
      const verdicts = await Promise.all(cards.map((card) => verifyCardSignatures(card, async () => early)));
      for (const { state, kid } of verdicts.flat()) {
        expect(state).toBe('valid');
        seen.add(kid!);
      }
      return verdicts.every(([verdict]) => verdict?.kid === next);
    });
    expect(seen).toEqual(new Set([old, next]));
    const after = await fetch(one.url + CARD);
    expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'));
    expect(Date.parse(after.headers.get('last-modified')!)).toBeGreaterThan(
      Date.parse(before.headers.get('last-modified')!),
    );
    // Cards from before the change are still around, and so is their key.
    expect((await keysOf(other)).map(({ kid }) => kid)).toContain(old);

    await until(async () => (await Promise.all(servers.map(keysOf))).every((keys) => keys.length === 1));
    expect((await keysOf(other)).map(({ kid }) => kid)).toEqual([next]);
    const listed = JSON.parse((await cli('keys', 'ls', '--json')).stdout) as { id: string; state: string }[];
    expect(listed.map(({ id, state }) => [id, state])).toEqual([
      [next, 'signing'],
      [old, 'retired'],
    ]);
  });

  it('are not rotated while the last new one waits, unless at once', async () => {
    const env = { DATABASE_URL: await newDatabase(), PERDURE_SECRET_KEY: SECRET };
    const server = await serve(settings(env));
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    await cli('keys', 'rotate');
    const again = await cli('keys', 'rotate');
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toMatch(/^Not rotated: key \S+ is published already and signs from .*--immediately/);

    const { stdout } = await cli('keys', 'rotate', '--immediately');
    const next = /^Key (\S+)/.exec(stdout)![1]!;
    await until(async () => (await keysOf(server)).every(({ kid }) => kid === next));
    expect(await signerOf(server)).toBe(next);
    expect((await cli('keys', 'ls')).stdout.match(/retired/g)).toHaveLength(2);
  });

  it('are kept by a restart', async () => {
    const config = settings({ DATABASE_URL: await newDatabase(), PERDURE_SECRET_KEY: SECRET });
    const first = await startServer(config);
    const kid = await signerOf(first);
    await first.stop();
    expect(await signerOf(await serve(config))).toBe(kid);
  });

  it('lie encrypted in the database, and nothing of them in the log', async () => {
    const databaseUrl = await newDatabase();
    const config = settings({ DATABASE_URL: databaseUrl, PERDURE_SECRET_KEY: SECRET });
    let log = '';
    const logger = pino({ level: 'trace' }, { write: (line: string) => void (log += line) });
    const tasks = new Tasks(config, new AgentRegistry([scriptedAgent('echo')]), logger, databaseUrl);
    await tasks.start();
    const { store, signals } = tasks;
    const keys = new SigningKeys({ store, signals, secrets: openSecrets(config), logger });
    await keys.start();
    await keys.stop();
    await tasks.stop();

    const client = new pg.Client(databaseUrl);
    await client.connect();
    const { rows } = await client.query<Record<string, string>>('select * from perdure.signing_keys');
    await client.end();
    expect(rows).toHaveLength(1);
    const { id, private_key: sealed, public_key: published } = rows[0]!;
    const secret = JSON.parse(new Secrets(config.secretKeys).open(sealed!, `signing key ${id}`)) as JWK;
    expect(secret).toMatchObject({ kid: id, d: expect.stringMatching(/^[\w-]{43}$/) });
    for (const text of [JSON.stringify(rows), log]) {
      for (const hidden of [secret.d!, SECRET]) expect(text).not.toContain(hidden);
    }
    expect(JSON.parse(published!)).not.toHaveProperty('d');
  });

  it('open with the old secret key behind a new one, and a start with the wrong one is refused', async () => {
    const env = { DATABASE_URL: await newDatabase(), PERDURE_SECRET_KEY: SECRET };
    const first = await startServer(settings(env));
    const kid = await signerOf(first);
    await first.stop();
    const newer = Buffer.alloc(32, 8).toString('base64');
    await expect(startServer(settings({ ...env, PERDURE_SECRET_KEY: newer }))).rejects.toThrow(/does not decrypt/);
    await expect(startServer(settings({ ...env, PERDURE_SECRET_KEY: '' }))).rejects.toThrow(
      /PERDURE_SECRET_KEY is not set/,
    );
    expect(await signerOf(await serve(settings({ ...env, PERDURE_SECRET_KEY: `${newer},${SECRET}` })))).toBe(kid);
  });

  it('are none where the database is the operator’s and no secret key is set: cards are not signed', async () => {
    const env = { DATABASE_URL: await newDatabase() };
    const server = await serve(settings(env));
    expect(await cardOf(server)).not.toHaveProperty('signatures');
    expect(await keysOf(server)).toEqual([]);
    vi.stubEnv('DATABASE_URL', env.DATABASE_URL);
    vi.stubEnv('PERDURE_SECRET_KEY', '');
    expect(await cli('keys', 'rotate')).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/is not set/) });
    expect((await cli('keys', 'ls')).stdout).toContain('There is no key yet');
  });

  it('of the embedded database need no setting, and are rotated while its server runs', async () => {
    const env = { DATABASE_URL: '', PERDURE_SECRET_KEY: '', PERDURE_DATA_DIR: dataDir };
    const server = await serve(settings(env));
    const old = await signerOf(server);
    expect(statSync(join(dataDir, 'secret.key')).mode & 0o777).toBe(0o600);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect(await cli('keys', 'rotate', '--immediately')).toMatchObject({ exitCode: 0 });
    await until(async () => (await keysOf(server)).every(({ kid }) => kid !== old));
    expect(await signerOf(server)).not.toBe(old);
  });
});
