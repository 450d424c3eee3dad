import pg from 'pg';
import { type Logger } from './logger.js';

/** What a pool needs beside its URL. */
export interface PoolOptions {
  /** Most connections at once. */
  readonly max: number;
  /** The name Postgres shows for these connections in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Longest run of one statement in milliseconds; none when left out. */
  readonly statementTimeoutMs?: number;
  /** Settings for each connection, as `-c name=value`. */
  readonly options?: string;
  /** Told once when connections start to fail, and again after the next success. */
  readonly logger?: Logger;
}

/** Settings of one connection, for `pg.Client`, `pg.Pool` and BullMQ alike: TCP keep-alive, and 10 s to connect. */
export function connectionOptions(url: string, applicationName = 'perdure'): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 10_000,
  };
}

/** A pool whose broken connections never end the process: the query under way fails, the next one gets a new connection. */
export function createPool(url: string, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...connectionOptions(url, options.applicationName),
    max: options.max,
    statement_timeout: options.statementTimeoutMs,
    options: options.options,
  });
  let failing = false;
  const report = (error: Error) => {
    if (!failing) options.logger?.warn({ err: error, pool: options.applicationName }, 'postgres.connection_lost');
    failing = true;
  };
  pool.on('error', report);
  pool.on('connect', (client) => {
    failing = false;
    const closing = new Promise<void>((resolve) => client.once('end', resolve));
    closings(pool).add(closing);
    void closing.then(() => closings(pool).delete(closing));
    // The pool listens to idle clients only; a client that is checked out would end the process.
    client.on('error', report);
  });
  return pool;
}

/** `pool.end()` resolves before its connections are closed: a Postgres that stops then would complain about each of them. */
export async function closePool(pool: pg.Pool): Promise<void> {
  await pool.end();
  await Promise.all(closings(pool));
}

const closingsByPool = new WeakMap<pg.Pool, Set<Promise<void>>>();

/** The ends of the connections that the pool has open. */
function closings(pool: pg.Pool): Set<Promise<void>> {
  const known = closingsByPool.get(pool) ?? new Set();
  closingsByPool.set(pool, known);
  return known;
}
