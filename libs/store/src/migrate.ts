import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { connectionOptions, packageRoot } from '#platform';

const silent = () => undefined;

/** Any number that no other user of the database takes for the same purpose. */
const MIGRATION_LOCK = 7_233_874_101;

/**
 * Brings the database at `databaseUrl` to the newest schema. Servers that start together wait for each other;
 * a database that is up to date is left as it is.
 */
export async function migrate(databaseUrl: string): Promise<void> {
  const client = new pg.Client(connectionOptions(databaseUrl));
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await runner({
      dbClient: client,
      dir: join(packageRoot(), 'migrations'),
      direction: 'up',
      migrationsTable: 'migrations',
      migrationsSchema: 'perdure',
      createMigrationsSchema: true,
      noLock: true,
      // It would print to the console; what fails is thrown.
      logger: { debug: silent, info: silent, warn: silent, error: silent },
    });
  } finally {
    await client.end();
  }
}
