import { runMigrations } from 'bullmq';
import pg from 'pg';
import { type Logger } from './logger.js';
import { closePool, connectionOptions, createPool } from './postgres.js';

/** BullMQ's tables have a schema of their own; its statements do not qualify their names. */
const SEARCH_PATH = '-c search_path=bullmq,public';

/** What BullMQ's queues and workers of this process connect through. */
export interface QueueConnection {
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

/**
 * Prepares BullMQ's schema in the database and opens its pool. Await it before any BullMQ object is made: a Worker on
 * a schema that is not there spins without end, and a Queue made while Postgres is down never recovers. `timeoutMs` is the pool's.
 */
export async function openQueueConnection(
  databaseUrl: string,
  logger: Logger,
  timeoutMs?: number,
): Promise<QueueConnection> {
  const client = new pg.Client(connectionOptions(databaseUrl));
  await client.connect();
  try {
    await runMigrations(client);
  } finally {
    await client.end();
  }
  const names = { applicationName: 'perdure queue', options: SEARCH_PATH };
  const pool = createPool(databaseUrl, { ...names, max: 8, timeoutMs, asksHeld: true, logger });
  return { pool, close: () => closePool(pool) };
}
