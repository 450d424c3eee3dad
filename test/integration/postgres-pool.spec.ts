import { Writable } from 'node:stream';
import type pg from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { createLogger, createPool } from '#platform';
import { useDatabase } from '../support/postgres.js';

const database = useDatabase();
const pools: pg.Pool[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
});

it('shows its name to Postgres and applies its statement timeout', async () => {
  const pool = newPool({ applicationName: 'perdure-named', timeoutMs: 1_000 });
  const { rows } = await pool.query('select application_name from pg_stat_activity where pid = pg_backend_pid()');
  expect(rows).toEqual([{ application_name: 'perdure-named' }]);
  await expect(pool.query('select pg_sleep(30)')).rejects.toThrow('statement timeout');
});

it('outlives the loss of idle and of busy connections, and reports the outage once', async () => {
  const log = new Lines();
  const pool = newPool({ applicationName: 'perdure-cut', log });
  const busy = await pool.connect();
  await Promise.all([1, 2].map(() => pool.query('select 1')));
  await newPool({ applicationName: 'perdure-other' }).query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'perdure-cut'`,
  );
  await expect(busy.query('select 1')).rejects.toThrow();
  busy.release(true);
  await vi.waitFor(() => expect(pool.totalCount).toBe(0), { timeout: 10_000 });
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(log.lines.map(({ msg }) => msg)).toEqual(['postgres.connection_lost']);
});

interface NewPool {
  readonly applicationName: string;
  readonly timeoutMs?: number;
  readonly log?: Lines;
}

function newPool({ log, ...options }: NewPool): pg.Pool {
  const logger = createLogger({ logLevel: 'info', logFormat: 'json' }, log ?? new Lines());
  const pool = createPool(database.url, { max: 4, logger, ...options });
  pools.push(pool);
  return pool;
}

class Lines extends Writable {
  readonly lines: { msg: string }[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.lines.push(JSON.parse(chunk.toString()) as { msg: string });
    done();
  }
}
