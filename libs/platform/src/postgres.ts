import { once } from 'node:events';
import pg from 'pg';
import { watchLine } from './line-watch.js';
import { type Logger } from './logger.js';

/** What a pool needs beside its URL. */
export interface PoolOptions {
  /** Most connections at once. */
  readonly max: number;
  /** The name Postgres shows for these connections in `pg_stat_activity`. */
  readonly applicationName: string;
  /**
   * Milliseconds (10 s when left out) that a statement may run, that a transaction may stand still, and that a caller waits for a
   * free connection. Where Postgres says nothing for half a second more, the connection is cut.
   */
  readonly timeoutMs?: number;
  /**
   * A pooler stands between that gives each transaction another session: what is asked relies on none. The bounds for statements
   * and transactions are then the pooler's to set; those of answers hold.
   */
  readonly sharesSessions?: boolean;
  /** Asks connections that are held without being used whether they still live: BullMQ keeps one to listen. */
  readonly asksHeld?: boolean;
  /** Settings for each connection, as `-c name=value`. */
  readonly options?: string;
  /** Told once when connections start to fail, and again after the next success. */
  readonly logger?: Logger;
}

const TIMEOUT_MS = 10_000;
/** Postgres is the first to end a statement that takes too long, and the connection stays. */
const ANSWER_GRACE_MS = 500;

/** Settings of one connection, for `pg.Client`, `pg.Pool` and BullMQ alike: TCP keep-alive, and so long to connect. */
export function connectionOptions(url: string, applicationName = 'perdure', timeoutMs = TIMEOUT_MS): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: timeoutMs,
  };
}

/**
 * How long a transaction may stand still, in the hands of a process that does or behind a line that has died: it holds locks that
 * everybody may want, and jobs that others would run.
 */
const STANDSTILL_MS = 2_500;

/** A pool whose broken connections never end the process: the query under way fails, the next one gets a new connection. */
export function createPool(url: string, options: PoolOptions): pg.Pool {
  const { timeoutMs = TIMEOUT_MS } = options;
  const pool = new pg.Pool({
    ...connectionOptions(url, options.applicationName, timeoutMs),
    max: options.max,
    ...(options.sharesSessions ? { Client: NamelessClient } : sessionSettings(options, timeoutMs)),
  });
  if (options.asksHeld) askHeld(pool, timeoutMs / 2);
  let failing = false;
  const report = (error: Error) => {
    if (!failing) options.logger?.warn({ err: error, pool: options.applicationName }, 'postgres.connection_lost');
    failing = true;
  };
  pool.on('error', report);
  pool.on('connect', (client) => {
    failing = false;
    openConnections(pool).add(client);
    watchLine(client, timeoutMs + ANSWER_GRACE_MS);
    // The pool listens to idle clients only; a client that is checked out would end the process.
    client.on('error', report);
  });
  // Told by the pool and not by the client, whose listeners BullMQ takes away.
  pool.on('remove', (client) => openConnections(pool).delete(client));
  return pool;
}

function sessionSettings({ options }: PoolOptions, timeoutMs: number): pg.ClientConfig {
  const standstillMs = Math.min(timeoutMs, STANDSTILL_MS);
  return { statement_timeout: timeoutMs, idle_in_transaction_session_timeout: standstillMs, options };
}

/** Sends every statement without its name: the session that knows a name may be another one the next time. */
class NamelessClient extends pg.Client {
  override query(...args: unknown[]): never {
    const [config, ...rest] = args;
    const isNamed = typeof config === 'object' && config !== null && 'name' in config;
    const query = super.query.bind(this) as (...args: unknown[]) => never;
    return query(isNamed ? { ...config, name: undefined } : config, ...rest);
  }
}

/** Asks each connection that somebody holds for longer, again and again: one that is dead is noticed though nobody uses it. */
function askHeld(pool: pg.Pool, everyMs: number): void {
  const held = new Map<pg.PoolClient, 'taken' | 'quiet' | 'asked'>();
  // One that was taken just now is at work.
  pool.on('acquire', (client) => held.set(client, 'taken'));
  pool.on('release', (_, client) => held.delete(client));
  const ask = async (client: pg.PoolClient) => {
    held.set(client, 'asked');
    // Where there is no answer the connection breaks, and its holder hears of it.
    await client.query('select 1').catch(() => undefined);
    if (held.get(client) === 'asked') held.set(client, 'quiet');
  };
  const timer = setInterval(() => {
    if (pool.ending) return clearInterval(timer);
    for (const [client, state] of held) {
      if (state === 'quiet') void ask(client);
      if (state === 'taken') held.set(client, 'quiet');
    }
  }, everyMs).unref();
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
