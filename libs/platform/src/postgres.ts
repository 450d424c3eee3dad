import { once } from 'node:events';
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
    openConnections(pool).add(client);
    // The pool listens to idle clients only; a client that is checked out would end the process.
    client.on('error', report);
  });
  // Told by the pool and not by the client, whose listeners BullMQ takes away.
  pool.on('remove', (client) => openConnections(pool).delete(client));
  return pool;
}

/**
 * Closes every connection of the pool. `pool.end()` does less and more: it resolves before they are closed, and a Postgres that
 * stops then complains about each of them; and it waits for ever for one that was taken and not given back, as BullMQ
 * leaves its listening connection behind when it is closed while that connects. Such ones are cut after a moment.
 */
export async function closePool(pool: pg.Pool): Promise<void> {
  const signal = AbortSignal.timeout(CLOSE_MS);
  void pool.end();
  while (openConnections(pool).size > 0 && !signal.aborted)
    await once(pool, 'remove', { signal }).catch(() => undefined);
  for (const client of openConnections(pool)) void (client as unknown as pg.Client).end();
}

const CLOSE_MS = 500;
const connectionsByPool = new WeakMap<pg.Pool, Set<pg.PoolClient>>();

/** The connections that the pool has not closed yet. */
function openConnections(pool: pg.Pool): Set<pg.PoolClient> {
  const known = connectionsByPool.get(pool) ?? new Set();
  connectionsByPool.set(pool, known);
  return known;
}
