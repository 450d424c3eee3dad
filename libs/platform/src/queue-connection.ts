import { assertSchemaCompatibility, runMigrations, SchemaMigrationRequiredError } from 'bullmq';
import { type Redis } from 'ioredis';
import pg from 'pg';
import { type Config } from './config.js';
import { type Logger } from './logger.js';
import { closePool, connectionOptions, createPool } from './postgres.js';
import { openRedis } from './redis.js';

/** BullMQ's tables have a schema of their own; its statements do not qualify their names. */
const SEARCH_PATH = '-c search_path=bullmq,public';

/** What BullMQ's queues and workers of this process connect through: Postgres, or Redis. */
export type QueueConnection = PostgresQueueConnection | RedisQueueConnection;

/** BullMQ in the database itself. */
export interface PostgresQueueConnection {
  readonly kind: 'postgres';
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

/** BullMQ in a Redis, which may be away at any time, the start included, and may forget everything. */
export interface RedisQueueConnection {
  readonly kind: 'redis';
  /** For adding jobs: fails while Redis is away. */
  readonly producer: Redis;
  /** For taking jobs: waits while Redis is away. */
  readonly consumer: Redis;
  /** What the names of all keys begin with. */
  readonly prefix: string;
  close(): Promise<void>;
}

type QueueConfig = Pick<Config, 'directDatabaseUrl' | 'databaseTimeoutMs' | 'redisUrl' | 'redisPrefix'>;

/** Opens the way to the queue. Await it before any BullMQ object is made. */
export async function openQueueConnection(
  databaseUrl: string,
  config: QueueConfig,
  logger: Logger,
): Promise<QueueConnection> {
  if (config.redisUrl !== undefined) return overRedis(config.redisUrl, config.redisPrefix, logger);
  return overPostgres(config.directDatabaseUrl ?? databaseUrl, config.databaseTimeoutMs, logger);
}

/** Brings BullMQ's own schema in the database to the newest version. */
export async function migrateQueue(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, (client) => runMigrations(client));
}

/** A Worker on a schema that is not there spins without end, and a Queue made while Postgres is down never recovers. */
async function overPostgres(databaseUrl: string, timeoutMs: number, logger: Logger): Promise<PostgresQueueConnection> {
  await withClient(databaseUrl, async (client) => {
    await assertSchemaCompatibility(client).catch((error: unknown) => {
      if (!(error instanceof SchemaMigrationRequiredError)) throw error;
      throw new Error('the queue has no tables in the database yet: run `perdure migrate` first');
    });
  });
  const names = { applicationName: 'perdure queue', options: SEARCH_PATH };
  const pool = createPool(databaseUrl, { ...names, max: 8, timeoutMs, asksHeld: true, logger });
  return { kind: 'postgres', pool, close: () => closePool(pool) };
}

function overRedis(url: string, prefix: string, logger: Logger): RedisQueueConnection {
  const producer = openRedis(url, { name: 'perdure queue', whileAway: 'refused', logger });
  const consumer = openRedis(url, { name: 'perdure jobs', whileAway: 'held', logger });
  producer.once('ready', () => void warnOfEviction(producer, logger));
  const close = async () => [producer, consumer].forEach((redis) => redis.disconnect());
  return { kind: 'redis', producer, consumer, prefix: `${prefix}:queue`, close };
}

/** Jobs that Redis evicts are found by the reaper, later than they need be. */
async function warnOfEviction(redis: Redis, logger: Logger): Promise<void> {
  const memory = await redis.info('memory').catch(() => '');
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
  if (policy !== undefined && policy !== 'noeviction') logger.warn({ policy }, 'redis.may_evict_jobs');
}

async function withClient(databaseUrl: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(connectionOptions(databaseUrl));
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
