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

async function rows(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(text)).rows;
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
}, 120_000);
