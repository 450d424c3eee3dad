import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { migrate } from '#store';
import { futureMigrations } from '../support/future-migrations.js';
import { createDatabase, dropDatabase, postgresUrl } from '../support/postgres.js';

const folder = futureMigrations();
const open: pg.Client[] = [];
const databases: string[] = [];

afterAll(async () => {
  await Promise.all(open.map((client) => client.end()));
  await Promise.all(databases.map(dropDatabase));
});

async function database(): Promise<string> {
  databases.push(await createDatabase());
  return databases.at(-1)!;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'a backup' });
  open.push(client);
  await client.connect();
  return client;
}

async function applied(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>('select name from perdure.migrations order by id');
  return rows.map(({ name }) => name);
}

describe('migrations', () => {
  it('are applied once where several processes start at the same time', async () => {
    const admin = await connect(postgresUrl());
    const name = `migrations_${process.pid}`;
    await admin.query(`create database ${name}`);
    const url = Object.assign(new URL(postgresUrl()), { pathname: `/${name}` }).href;
    databases.push(url);
    await Promise.all([migrate(url), migrate(url), migrate(url, { folder })]);
    const names = await applied(await connect(url));
    expect(new Set(names).size).toBe(names.length);
    expect(names.slice(-2)).toEqual(['9001_future', '9002_future_index']);
  });

  it('of a version to come are left as they are', async () => {
    const url = await database();
    await migrate(url, { folder });
    const client = await connect(url);
    const before = await applied(client);
    await migrate(url);
    expect(await applied(client)).toEqual(before);
  });
});

describe('a migration whose table is held by a long transaction', () => {
  let url: string;
  let backup: pg.Client;
  beforeAll(async () => {
    url = await database();
    backup = await connect(url);
    await backup.query('begin; select count(*) from perdure.tasks');
  });

  it('says after its time who is in the way, and has done nothing', async () => {
    const { rows } = await backup.query<{ pid: number }>('select pg_backend_pid() as pid');
    await expect(migrate(url, { folder, timeoutMs: 1 })).rejects.toMatchObject({
      name: 'MigrationBlockedError',
      message: expect.stringContaining(`backend ${rows[0]!.pid} (a backup)`),
    });
    expect(await applied(await connect(url))).not.toContain('9001_future');
  });

  it('lets all others pass while it waits, and goes on when the table is free', async () => {
    const migrating = migrate(url, { folder });
    const [other, watcher] = [await connect(url), await connect(url)];
    for (let round = 0; round < 2; round++) {
      await vi.waitFor(async () => expect(await waiting(watcher)).toBe(1), { timeout: 10_000, interval: 5 });
      // Behind it in the queue: for half a second at most.
      await other.query(`update perdure.tasks set agent = agent`);
    }
    await backup.query('commit');
    await migrating;
    expect((await applied(other)).at(-1)).toBe('9002_future_index');
  });
});

async function waiting(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity
     where datname = current_database() and application_name = 'perdure migrate' and wait_event_type = 'Lock'`,
  );
  return rows[0]!.n;
}

describe('a process that waits for another that migrates', () => {
  it('names it when it waits no longer', async () => {
    const url = await database();
    const other = await connect(url);
    await other.query('select pg_advisory_lock(7233874101)');
    await expect(migrate(url, { timeoutMs: 1 })).rejects.toThrow(/backend \d+ \(a backup\)/);
  });
});
