import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { Ledger } from '../support/ledger.js';
import { type Mode, modeVariables, redisOrPostgres } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { upTo } from '../support/sse-client.js';
import { useTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Less than what a loaded machine needs to make a blocked process miss it. */
const LEASE = '1s';
const folder = temporaryFolder();
const database = useDatabase();
const tables = useTables(database);
const startServer = useServerProcesses();

function start(mode: Mode): Promise<ServerProcess> {
  const env = { PERDURE_LEASE: LEASE, ...modeVariables(mode, database.url) };
  return startServer({ agents: [TEST_AGENTS], databaseUrl: database.url, env });
}

async function expectToServe(server: ServerProcess, name: string): Promise<void> {
  const ledger = new Ledger(join(folder, name));
  ledger.open(1);
  expect(await server.rpc('ledger').send(ledger.message(1))).toMatchObject({
    status: { state: 'TASK_STATE_COMPLETED' },
  });
}

/** Resolves when the lease of the task has been past for so long that others would have taken it. */
async function untilLong(id: string, seconds: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const past = `select from perdure.tasks where id = $1 and run_at < now() - $2 * interval '1 second'`;
      expect(await tables.rows(past, [id, seconds])).toHaveLength(1);
    },
    { timeout: 20_000, interval: 50 },
  );
}

it('goes on with its own run after a handler has blocked the event loop for longer than the lease, where nobody else took it', async () => {
  const server = await start('postgres');
  const ledger = new Ledger(join(folder, 'alone'));
  const { id } = await server.rpc('stubborn').start(ledger.message(2, server.pid));
  await ledger.reached(1, server.pid);
  await untilLong(id!, 3);
  ledger.open(2);
  const events = await (await server.rpc('stubborn').subscribe(id!, 0)).all();
  expect(events.map((event) => event.id)).toEqual(upTo(events.length));
  expect(JSON.stringify(events)).toContain(`Done by ${server.pid}`);
  // No worker was lost: the handler ran once.
  expect(await tables.task(id!)).toMatchObject({ lease_token: '1', lost: 0, attempt: 0 });
  await expectToServe(server, 'after-alone');
  await server.kill();
});

it('is taken over while a handler blocks its event loop, is refused what it writes late, and goes on serving', async () => {
  const mode = redisOrPostgres();
  const [hung, other] = await Promise.all([start(mode), start(mode)]);
  const ledger = new Ledger(join(folder, 'hung'));
  const { id } = await hung.rpc('stubborn').start(ledger.message(1, hung.pid));
  await ledger.reached(1, hung.pid);
  await ledger.reached(1, other.pid);
  ledger.open(1, other.pid);
  await tables.until(id!, 'COMPLETED');
  const before = await tables.everything();

  ledger.open(1, hung.pid);
  await hung.logged('run.stopped', ({ task }) => task === id);
  expect(await tables.everything()).toBe(before);
  expect(JSON.stringify(await tables.events(id!))).not.toContain(`by ${hung.pid}`);
  await expectToServe(hung, 'after-hung');
  await Promise.all([hung.kill(), other.kill()]);
});
