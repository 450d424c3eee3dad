import { readdir } from 'node:fs/promises';
import { join, parse } from 'node:path';
import pg from 'pg';
import { connectionOptions, packageRoot } from '#platform';

/** The database's schema is older than this version of Perdure needs; the message says what to do. */
export class SchemaOutdatedError extends Error {
  override readonly name = 'SchemaOutdatedError';

  constructor(missing: readonly string[]) {
    const what = missing.length === 1 ? `migration ${missing[0]}` : `${missing.length} migrations (${missing[0]} …)`;
    super(`The database lacks ${what} of this version: run \`perdure migrate\` first.`);
  }
}

/**
 * Rejects with a {@link SchemaOutdatedError} where a migration of this version has not been applied. A newer schema is fine: each
 * migration is safe for the version before it.
 */
export async function checkSchema(databaseUrl: string): Promise<void> {
  const files = await readdir(join(packageRoot(), 'migrations'));
  const applied = await appliedMigrations(databaseUrl);
  const missing = files.map((file) => parse(file).name).filter((name) => !applied.has(name));
  if (missing.length > 0) throw new SchemaOutdatedError(missing.sort());
}

async function appliedMigrations(databaseUrl: string): Promise<Set<string>> {
  const client = new pg.Client(connectionOptions(databaseUrl));
  await client.connect();
  try {
    const { rows: found } = await client.query<{ found: boolean }>(
      `select to_regclass('perdure.migrations') is not null as found`,
    );
    if (!found[0]?.found) return new Set();
    const { rows } = await client.query<{ name: string }>('select name from perdure.migrations');
    return new Set(rows.map(({ name }) => name));
  } finally {
    await client.end();
  }
}
