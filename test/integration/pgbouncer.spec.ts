import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATED_AGENTS, TEST_AGENTS } from '../support/agent-folders.js';
import { cli } from '../support/cli.js';
import { Ledger } from '../support/ledger.js';
import { inEachMode, modeVariables } from '../support/modes.js';
import { PerdureProcess } from '../support/perdure-process.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { dropDatabase, postgresUrl } from '../support/postgres.js';
import { findProgram } from '../support/program.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { stateOf, upTo } from '../support/sse-client.js';
import { TaskTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const program = findProgram('pgbouncer', 'a server and a worker behind PgBouncer in transaction mode');
const folder = temporaryFolder();
const startProcess = useServerProcesses();

inEachMode((mode) => {
  describe.skipIf(program === undefined)('a server and a worker behind PgBouncer in transaction mode', () => {
    let direct: string;
    let pooler: PgBouncer;
    let tables: TaskTables;
    let server: ServerProcess;
    let worker: ServerProcess;

    beforeAll(async () => {
      direct = await createEmptyDatabase();
      pooler = await PgBouncer.start(program!, direct);
      tables = new TaskTables({ url: direct });
      const env = { DATABASE_DIRECT_URL: direct, ...modeVariables(mode, direct) };
      const migration = new PerdureProcess(['migrate'], { env: { DATABASE_URL: pooler.url, ...env } });
      expect([await migration.ended, migration.output]).toEqual([0, 'The database has the newest schema.\n']);
      const start = (role: string) =>
        startProcess({
          agents: [TEST_AGENTS, OPERATED_AGENTS],
          databaseUrl: pooler.url,
          env: { ...env, PERDURE_ROLE: role },
        });
      [server, worker] = await Promise.all([start('server'), start('worker')]);
    });
    afterAll(async () => {
      await Promise.all([server?.kill(), worker?.kill()]);
      await tables?.close();
      await pooler?.stop();
      if (direct) await dropDatabase(direct);
    });

    const ledger = (name: string) => new Ledger(join(folder, `${name}-${mode}`));

    it('streams a task that the worker runs, and answers for it, to many at a time', async () => {
      const before = await pooler.transactions();
      const books = upTo(6).map((n) => ledger(`stream-${n}`));
      const streams = await Promise.all(books.map((book) => server.rpc('ledger').stream(book.message(2))));
      const calls = books.map((book, n) =>
        server
          .rpc('ledger')
          .send(ledger(`call-${n}`).message(1))
          .finally(() => book.open(2)),
      );
      for (let n = 0; n < 6; n++) ledger(`call-${n}`).open(1);
      for (const call of calls) expect(await call).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
      for (const stream of streams) {
        const events = await stream.all();
        expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
        expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');
      }
      expect(await pooler.transactions()).toBeGreaterThan(before);
    });

    it('cancels what runs, sleeps, delegates, and goes on after an answer', async () => {
      const book = ledger('cancel');
      const { id } = await server.rpc('ledger').start(book.message(1));
      await book.reached(1);
      expect(await server.rpc('ledger').call('CancelTask', { id })).toMatchObject({
        status: { state: 'TASK_STATE_CANCELED' },
      });

      const errand = { peer: 'sleeper', errand: ledger('sleeper').message(1).data };
      expect(await server.rpc('errand').send({ data: errand })).toMatchObject({
        status: { state: 'TASK_STATE_COMPLETED' },
      });
      expect(ledger('sleeper').lines).toHaveLength(1);

      const file = join(folder, `${mode}.ask`);
      writeFileSync(file, '');
      const asking = await server.rpc('mendable').send(file);
      expect(asking).toMatchObject({ status: { state: 'TASK_STATE_INPUT_REQUIRED' } });
      const answered = await server.rpc('mendable').send('Yes', { taskId: asking.id });
      expect(answered).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
    });

    it('hears its operator, and knows a repeated call by its key', async () => {
      const file = join(folder, `${mode}.mend`);
      const headers = { 'idempotency-key': randomUUID() };
      const message = { messageId: 'm', parts: [{ text: file }] };
      const failed = await server.rpc('mendable').send(message, {}, { headers });
      expect(failed).toMatchObject({ status: { state: 'TASK_STATE_FAILED' } });
      expect(await server.rpc('mendable').send(message, {}, { headers })).toMatchObject({ id: failed.id });
      writeFileSync(file, '');
      const { stdout } = await cli('tasks', 'redrive', server.url, failed.id!);
      expect(stdout).toMatch(/^done /);
      await tables.until(failed.id!, 'COMPLETED');
    });

    it('holds sessions of its own for what cannot share one, and no others', async () => {
      const rows = await tables.rows<{ name: string }>(
        `select distinct application_name as name from pg_stat_activity
         where datname = current_database() and application_name like 'perdure%'
           and client_port is not null order by 1`,
      );
      const names = rows.map(({ name }) => name);
      const own = mode === 'redis' ? ['perdure committer'] : ['perdure committer', 'perdure queue', 'perdure-signals'];
      expect(names.filter((name) => !['perdure', 'perdure leases'].includes(name))).toEqual(own);
      const [{ sessions }] = (await tables.rows<{ sessions: number }>(
        `select count(*)::int as sessions from pg_stat_activity
         where datname = current_database() and application_name in ('perdure', 'perdure leases')`,
      )) as [{ sessions: number }];
      // What the pooler has, for the pools of both processes.
      expect(sessions).toBeLessThanOrEqual(2);
    });
  });
});

async function createEmptyDatabase(): Promise<string> {
  const name = `perdure_${randomUUID().replaceAll('-', '')}`;
  const client = new pg.Client(postgresUrl());
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return Object.assign(new URL(postgresUrl()), { pathname: `/${name}` }).href;
}
