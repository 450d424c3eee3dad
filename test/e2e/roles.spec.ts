import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { TEST_AGENTS } from '../support/agent-folders.js';
import { fetchAnswer } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { inEachMode } from '../support/modes.js';
import { BUNDLED_PERDURE, PerdureProcess } from '../support/perdure-process.js';
import { createDatabase, dropDatabase, useDatabase } from '../support/postgres.js';
import { useServerProcesses } from '../support/server-process.js';
import { upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const NONE = { REDIS_URL: '', PORT: '0', PERDURE_LOG_LEVEL: 'error' };

inEachMode((mode) => {
  const database = useDatabase();
  const start = useServerProcesses(mode);
  const ledger = (name: string) => new Ledger(join(folder, `${name}-${mode}`));

  it('takes calls in one process and runs their handlers in another, streams and cancels across both', async () => {
    const env = { PERDURE_SECRET_KEY: Buffer.alloc(32, 1).toString('base64') };
    const common = { agents: [TEST_AGENTS], databaseUrl: database.url, env };
    const [server, worker] = await Promise.all([
      start({ ...common, role: 'server' }),
      start({ ...common, role: 'worker', env: { ...env, PUBLIC_URL: 'http://a2a.example' } }),
    ]);
    const whole = ledger('whole');
    const stream = await server.rpc('ledger').stream(whole.message(2));
    await whole.reached(1, worker.pid);
    whole.open(2);
    const events = await stream.all();
    expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
    expect(JSON.stringify(events.at(-1))).toContain('TASK_STATE_COMPLETED');

    const halted = ledger('halted');
    const { id } = await server.rpc('ledger').start(halted.message(1));
    await halted.reached(1, worker.pid);
    expect(await server.rpc('ledger').call('CancelTask', { id })).toMatchObject({
      status: { state: 'TASK_STATE_CANCELED' },
    });

    expect(await fetchAnswer(`${worker.url}/health/live`)).toMatchObject({ status: 200 });
    const ready = { status: 'ok', checks: { database: 'ok', queue: 'ok' } };
    for (const { url } of [server, worker]) expect((await fetchAnswer(`${url}/health/ready`)).json).toEqual(ready);
    for (const path of ['/', '/.well-known/agent-card.json', '/agents/ledger', '/admin/v1/tasks']) {
      expect((await fetchAnswer(worker.url + path)).status).toBe(404);
    }
    for (const each of [server, worker]) {
      each.signal('SIGTERM');
      expect(await each.ended).toBe(0);
      expect(each.log.filter(({ level }) => level !== 'info')).toEqual([]);
    }
  });
});

async function refusal(role: string, databaseUrl: string): Promise<string> {
  const env = { ...NONE, DATABASE_URL: databaseUrl };
  const perdure = new PerdureProcess(['serve', '--role', role, TEST_AGENTS], { program: BUNDLED_PERDURE, env });
  expect(await perdure.ended).toBe(1);
  return perdure.output;
}

it('refuses to start one of several processes without a database that they can share', async () => {
  const wanted = 'DATABASE_URL=: want the Postgres that all processes share, for the role server';
  expect(await refusal('server', '')).toContain(wanted);
});

it.each([
  ['server', `delete from perdure.migrations where name = '0008_versions'`, 'migration 0008_versions'],
  ['worker', 'drop schema perdure cascade', String.raw`\d+ migrations \(0001_tasks …\)`],
])('refuses to start a %s on a schema older than its own, and says what to do', async (role, change, missing) => {
  const url = await createDatabase();
  const client = new pg.Client(url);
  await client.connect();
  await client.query(change);
  await client.end();
  const wanted = `lacks ${missing} of this version: run \`perdure migrate\` first\\.\n$`;
  expect(await refusal(role, url)).toMatch(new RegExp(wanted));
  await dropDatabase(url);
});
