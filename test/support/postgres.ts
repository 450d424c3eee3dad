import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';

/** URL of the superuser's database of the run's Postgres: to end connections and look at the server, not to write to. */
export function postgresUrl(): string {
  return inject('postgresUrl');
}

/** A migrated, empty database for this spec file, made before its tests and dropped after them. */
export function useDatabase(): { readonly url: string } {
  let url: string | undefined;
  beforeAll(async () => {
    url = await createDatabase();
  });
  afterAll(async () => {
    if (url) await dropDatabase(url);
  });
  return {
    get url() {
      if (!url) throw new Error('the database is there from beforeAll on');
      return url;
    },
  };
}

/** A new migrated, empty database, for specs that start whole servers. Returns its URL. */
export async function createDatabase(): Promise<string> {
  const name = `perdure_${randomUUID().replaceAll('-', '')}`;
  await onServer(`create database ${name} template ${inject('templateDatabase')} strategy file_copy`);
  return Object.assign(new URL(postgresUrl()), { pathname: `/${name}` }).href;
}

/** Drops a database of {@link createDatabase}; connections that are still open are closed by the server. */
export async function dropDatabase(url: string): Promise<void> {
  await onServer(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client(postgresUrl());
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
