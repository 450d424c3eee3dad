import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { freePort } from '../support/free-port.js';
import { Ledger } from '../support/ledger.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const startServer = useServerProcesses();
const ledger = new Ledger(join(temporaryFolder(), 'errand'));
const PATIENCE = { timeout: 30_000, interval: 50 };
/** Of the server that delegates, and of its peer. */
const databases: string[] = [];

beforeAll(async () => {
  for (let i = 0; i < 2; i++) databases.push(await createDatabase());
});
afterAll(async () => {
  for (const url of databases) await dropDatabase(url);
});

async function rows<Row extends object>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

it('comes to one result when both servers are killed in turn, and the peer does each step once', async () => {
  const [own, peers] = databases as [string, string];
  // Its address has to stay: it is what the other server knows of it.
  const port = await freePort();
  const start = (databaseUrl: string, env: Record<string, string> = {}): Promise<ServerProcess> =>
    startServer({ agents: [TEST_AGENTS], databaseUrl, env: { PERDURE_LEASE: '1s', GRPC_PORT: '0', ...env } });
  const startPeer = () => start(peers, { PORT: String(port) });
  let peer = await startPeer();
  let server = await start(own);
  const errand = { peer: `${peer.url}/agents/ledger`, errand: ledger.message(2).data };
  const task = await server.rpc('errand').start({ data: errand });
  await ledger.reached(1);

  await server.kill();
  server = await start(own);
  ledger.open(1);
  await ledger.reached(2);

  await peer.kill();
  // The server that waits notices, and goes on asking.
  await server.logged('delegation.peer_unreachable');
  peer = await startPeer();
  ledger.open(2);
  await vi.waitFor(async () => {
    const { status } = await server.rpc('errand').get(task.id!);
    expect(status?.state).toBe('TASK_STATE_COMPLETED');
  }, PATIENCE);

  const { status } = await server.rpc('errand').get(task.id!);
  expect(status?.message?.parts).toEqual([
    { text: 'The peer says: ' },
    { text: expect.stringMatching(/^Done/) as unknown },
  ]);
  expect(await rows(peers, 'select id from perdure.tasks')).toHaveLength(1);
  expect(ledger.lines.map((line) => line.replace(/ in attempt.*/, ''))).toEqual(['step 1', 'step 2']);
  await Promise.all([server.kill(), peer.kill()]);
}, 180_000);

it('hears from a peer that calls back when it is done, and does not ask before', async () => {
  const [own, peers] = databases as [string, string];
  const errands = new Ledger(join(temporaryFolder(), 'called'));
  const start = async (databaseUrl: string, env: Record<string, string> = {}) => {
    const port = await freePort();
    const addresses = { PORT: String(port), GRPC_PORT: 'off', PUBLIC_URL: `http://127.0.0.1:${port}` };
    const secrets = { PERDURE_SECRET_KEY: randomBytes(32).toString('base64') };
    return startServer({ agents: [TEST_AGENTS], databaseUrl, env: { ...addresses, ...secrets, ...env } });
  };
  const [peer, server] = await Promise.all([start(peers, { PERDURE_PUSH_ALLOW: '127.0.0.1' }), start(own)]);
  const errand = { peer: `${peer.url}/agents/ledger`, errand: errands.message(1).data };
  const task = await server.rpc('errand').start({ data: errand });
  // The first call shows that the peer reaches this server; then nobody looks for an hour.
  await vi.waitFor(async () => {
    const put = await rows(
      own,
      `update perdure.task_delegations set look_at = now() + interval '1 hour'
       where task_id = '${task.id}' and calls_back and not is_held returning id`,
    );
    expect(put).toHaveLength(1);
  }, PATIENCE);

  await errands.reached(1);
  errands.open(1);
  await vi.waitFor(async () => {
    const { status } = await server.rpc('errand').get(task.id!);
    expect(status?.state).toBe('TASK_STATE_COMPLETED');
  }, PATIENCE);
  const [callback] = await rows<{ jwks: string }>(own, 'select jwks from perdure.delegation_callbacks');
  expect(callback).toEqual({ jwks: `${peer.url}/.well-known/jwks.json` });
  expect(server.log.filter(({ msg }) => msg === 'callback.refused')).toEqual([]);
}, 60_000);
