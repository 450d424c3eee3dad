import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { type RunningProcess } from '../../apps/process/src/start-process.js';
import { startServer } from '../../apps/server/src/server.js';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { useDatabase } from '../support/postgres.js';
import { SendLoad } from '../support/send-load.js';
import { useTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const TASKS = 2_000;
const database = useDatabase();
const tables = useTables(database);
const folder = temporaryFolder();
let proxy: DatabaseProxy;
let server: RunningProcess;

beforeAll(async () => {
  proxy = await DatabaseProxy.start(database.url);
  const config = loadConfig({ PORT: '0', GRPC_PORT: 'off', PERDURE_LOG_LEVEL: 'silent', PERDURE_AGENTS: TEST_AGENTS });
  server = await startServer({ ...config, databaseUrl: proxy.url });
});
afterAll(async () => {
  proxy.loseAnswers(0);
  await server.stop();
  await proxy.close();
});

it('doubles and loses nothing while one in a hundred answers of the database is lost after its commit', async () => {
  const load = new SendLoad(server.url, folder);
  proxy.loseAnswers(100);
  await load.run(32, () => load.count < TASKS);
  proxy.loseAnswers(0);
  await load.expectKept(tables);
  expect(load.count).toBeGreaterThanOrEqual(TASKS);
  expect(proxy.lost).toBeGreaterThan(10);
  // No event twice: all have as many as an undisturbed one.
  const counts = await tables.rows('select distinct last_sequence, attempt, lost from perdure.tasks where lost = 0');
  expect(counts).toEqual([{ last_sequence: 6, attempt: 0, lost: 0 }]);
}, 180_000);
