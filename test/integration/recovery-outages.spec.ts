import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLogger, type EmbeddedPostgres, loadConfig, startEmbeddedPostgres } from '#platform';
import { type RunningProcess } from '../../apps/process/src/start-process.js';
import { startServer } from '../../apps/server/src/server.js';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { Random } from '../support/random.js';
import { SendLoad } from '../support/send-load.js';
import { TaskTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const STORM_MS = 2_000;
const STORM_PAUSE_MS = 100;
const folder = temporaryFolder();
const random = new Random(7);
let postgres: EmbeddedPostgres;
let tables: TaskTables;
let server: RunningProcess;

/** A Postgres of its own, as an operator's is: the server knows nothing of it but the URL. */
function startPostgres(): Promise<EmbeddedPostgres> {
  const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
  return startEmbeddedPostgres({ dataDir: folder, logger, settings: { fsync: 'off', shared_buffers: '64MB' } });
}

beforeAll(async () => {
  postgres = await startPostgres();
  tables = new TaskTables(postgres);
  const config = loadConfig({ PORT: '0', GRPC_PORT: 'off', PERDURE_LOG_LEVEL: 'silent', PERDURE_AGENTS: TEST_AGENTS });
  server = await startServer({ ...config, databaseUrl: postgres.url });
});
afterAll(async () => {
  await server.stop();
  await tables.close();
  await postgres.stop();
});

/** The server's backends, one of three of them, or one alone. */
async function backends(count: 'some' | 'one'): Promise<number[]> {
  const rows = await tables.rows<{ pid: number }>(
    `select pid from pg_stat_activity where application_name like 'perdure%' order by pid`,
  );
  const pids = rows.map(({ pid }) => pid);
  return count === 'one' ? pids.slice(0, 1) : pids.filter(() => random.below(3) === 0);
}

async function storm(): Promise<void> {
  for (const end = performance.now() + STORM_MS; performance.now() < end; await pause(STORM_PAUSE_MS)) {
    const pids = await backends('some');
    await tables.rows('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids]);
  }
}

async function restart(): Promise<void> {
  await postgres.stop();
  postgres = await startPostgres();
}

/** One backend dies, and takes Postgres with it into crash recovery. */
async function crash(): Promise<void> {
  const [pid] = await backends('one');
  process.kill(pid!, 'SIGKILL');
  await expect
    .poll(
      () =>
        tables.rows('select 1').then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true);
}

it('completes every accepted task though Postgres is restarted, crashes, and loses connections all the time', async () => {
  const load = new SendLoad(server.url, folder);
  let isOver = false;
  const running = load.run(12, () => !isOver);
  for (const disturb of [storm, restart, storm, crash, storm, restart]) {
    // Each finds the server at work.
    const before = load.count;
    await disturb();
    await expect.poll(() => load.count, { timeout: 20_000 }).toBeGreaterThan(before + 12);
  }
  isOver = true;
  await running;
  await load.expectKept(tables);
}, 120_000);
