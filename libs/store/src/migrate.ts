import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { connectionOptions, packageRoot } from '#platform';

/** Any number that no other user of the database takes for the same purpose. */
const MIGRATION_LOCK = 7_233_874_101;
/**
 * Whatever comes for a table behind a migration that waits for its lock waits too: so it waits this long at a time, and then
 * lets the others pass. Shorter than Postgres' `deadlock_timeout` (1 s): in a deadlock it is the migration that gives way.
 */
const LOCK_TIMEOUT_MS = 500;
const PAUSE_MS = 1_000;
const TIMEOUT_MS = 5 * 60_000;
/** SQLSTATE: lock_not_available, deadlock_detected. */
const BLOCKED = new Set<unknown>(['55P03', '40P01']);

const silent = () => undefined;

export interface MigrateOptions {
  /** Milliseconds (5 min when left out) to wait for another process that migrates, or for locks that others hold. */
  readonly timeoutMs?: number;
  /** Folder of the migrations, when not this version's own. */
  readonly folder?: string;
}

/** A migration could not begin: somebody else holds what it needs. The message says who; nothing of it was done. */
export class MigrationBlockedError extends Error {
  override readonly name = 'MigrationBlockedError';
}

/**
 * Brings the database at `databaseUrl` to the newest schema. Processes that do so at the same time wait for each other; a
 * database that is up to date, or newer, is left as it is. Others may work on the database meanwhile: each migration is a
 * transaction of its own, and begins when it gets its locks at once.
 * @throws MigrationBlockedError where that takes too long.
 */
export async function migrate(databaseUrl: string, options: MigrateOptions = {}): Promise<void> {
  const { timeoutMs = TIMEOUT_MS, folder = join(packageRoot(), 'migrations') } = options;
  const client = new pg.Client(connectionOptions(databaseUrl, 'perdure migrate'));
  await client.connect();
  try {
    const deadline = performance.now() + timeoutMs;
    while (!(await isMigrated(client, folder))) {
      if (performance.now() > deadline) throw new MigrationBlockedError(await blockedText(client, timeoutMs));
      await delay(PAUSE_MS);
    }
  } finally {
    await client.end();
  }
}

/** False where somebody else migrates, or holds a lock that a migration needs. */
async function isMigrated(client: pg.Client, folder: string): Promise<boolean> {
  // Not by waiting for it: a statement that waits would itself be waited for by indexes that are made beside the traffic.
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [MIGRATION_LOCK]);
  if (!rows[0]!.taken) return false;
  await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}; set statement_timeout = 0`);
  try {
    await applyAll(client, folder);
    return true;
  } catch (error) {
    if (!BLOCKED.has((error as { code?: unknown }).code)) throw error;
    await client.query('rollback');
    return false;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(silent);
  }
}

async function applyAll(client: pg.Client, folder: string): Promise<void> {
  await runner({
    dbClient: client,
    dir: folder,
    direction: 'up',
    migrationsTable: 'migrations',
    migrationsSchema: 'perdure',
    createMigrationsSchema: true,
    noLock: true,
    // It would print to the console; what fails is thrown.
    logger: { debug: silent, info: silent, warn: silent, error: silent },
  });
}

interface Blocker {
  readonly pid: number;
  readonly name: string;
  readonly seconds: number;
}

/** Who is in the way: the process that migrates, else the one whose transaction is the oldest. */
async function blockedText(client: pg.Client, timeoutMs: number): Promise<string> {
  const { rows } = await client.query<Blocker>(
    `select a.pid, a.application_name as name, extract(epoch from now() - coalesce(a.xact_start, a.query_start))::int4 as seconds
     from pg_stat_activity a
     left join pg_locks l on l.pid = a.pid and l.locktype = 'advisory' and l.granted
       and (l.classid::int8 << 32 | l.objid::int8) = $1
     where a.datname = current_database() and a.pid <> pg_backend_pid() and (l.pid is not null or a.xact_start is not null)
     order by l.pid is null, a.xact_start limit 1`,
    [MIGRATION_LOCK],
  );
  const waited = `The database cannot be migrated: for ${Math.round(timeoutMs / 1_000)} s others have held what a migration needs`;
  const [blocker] = rows;
  if (!blocker) return `${waited}. Try again.`;
  const { pid, name, seconds } = blocker;
  return `${waited}, now backend ${pid} (${name || 'no name'}), at it for ${seconds} s. Try again when it is done.`;
}
