import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { Ledger } from '../support/ledger.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';
import { useServerProcesses } from '../support/server-process.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const startServer = useServerProcesses();
const ledger = new Ledger(join(temporaryFolder(), 'sleeper'));
const PATIENCE = { timeout: 20_000, interval: 20 };
let databaseUrl: string;
let tables: pg.Client;

beforeAll(async () => {
  databaseUrl = await createDatabase();
  tables = new pg.Client(databaseUrl);
  await tables.connect();
});
afterAll(async () => {
  await tables.end();
  await dropDatabase(databaseUrl);
});

/** Resolves when so many tasks are as the condition says. */
async function until(count: number, condition: string): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await tables.query(`select from perdure.tasks where ${condition}`);
    expect(rows).toHaveLength(count);
  }, PATIENCE);
}

it('goes on in time after kill -9 in a sleep, and after kill -9 while timers come due', async () => {
  const start = () => startServer({ agents: [TEST_AGENTS], databaseUrl, env: { PERDURE_LEASE: '1s' } });
  let server = await start();
  // All of them have to be asleep at a time.
  const message = { data: { ...ledger.message(2).data, firstMs: 3_000 } };
  const tasks = await Promise.all(Array.from({ length: 6 }, () => server.rpc('sleeper').start(message)));
  await until(6, 'lease_owner is null and run_at > now()');
  await server.kill();
  await until(6, 'run_at <= now()');
  expect(ledger.lines).toEqual([]);

  server = await start();
  await vi.waitFor(() => expect(ledger.lines.length).toBeGreaterThan(2), PATIENCE);
  await server.kill();
  await start();
  await until(6, 'state = 3');
  const steps = (lines: string[]) => lines.map((line) => line.replace(/ in attempt 1$/, '')).toSorted();
  const expected = tasks.flatMap(({ id }) => [`${id} step 1`, `${id} step 2`]).toSorted();
  // A step whose effect was there and whose record was not is done again: at most those of one moment.
  const lines = steps(ledger.lines);
  expect([...new Set(lines)]).toEqual(expected);
  expect(lines.length - expected.length).toBeLessThan(6);
});
