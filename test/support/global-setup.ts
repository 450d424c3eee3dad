import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type TestProject } from 'vitest/node';
import { createLogger, startEmbeddedPostgres } from '#platform';
import { migrate } from '#store';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a Postgres superuser's database, from which a spec makes its own databases. */
    postgresUrl: string;
    /** Name of the migrated database that {@link createDatabase} clones. */
    templateDatabase: string;
  }
}

interface TestPostgres {
  readonly url: string;
  readonly source: string;
  stop(): Promise<void>;
}

/** One Postgres for the whole run, with one migrated database to clone; both are gone afterwards. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const postgres = givenPostgres() ?? (await containerPostgres()) ?? (await embeddedPostgres());
  process.stdout.write(`Postgres for the tests: ${postgres.source}\n`);
  const template = `perdure_template_${process.pid}`;
  await onServer(postgres.url, [`drop database if exists ${template}`, `create database ${template}`]);
  await migrate(databaseUrl(postgres.url, template));
  project.provide('postgresUrl', postgres.url);
  project.provide('templateDatabase', template);
  return async () => {
    await onServer(postgres.url, [`drop database ${template} with (force)`]);
    await postgres.stop();
  };
}

function givenPostgres(): TestPostgres | undefined {
  const url = process.env.TEST_DATABASE_URL;
  return url ? { url, source: 'TEST_DATABASE_URL', stop: async () => undefined } : undefined;
}

async function containerPostgres(): Promise<TestPostgres | undefined> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  try {
    await getContainerRuntimeClient();
  } catch {
    return undefined;
  }
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const command = ['postgres', '-c', 'fsync=off', '-c', 'max_connections=200'];
  const container = await new PostgreSqlContainer('postgres:18').withCommand(command).start();
  const stop = async () => void (await container.stop());
  return { url: container.getConnectionUri(), source: 'a container', stop };
}

async function embeddedPostgres(): Promise<TestPostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'perdure-test-'));
  // mkdtemp lets nobody else in, and root's Postgres is somebody else.
  chmodSync(dataDir, 0o755);
  const logger = createLogger({ logLevel: 'error', logFormat: 'pretty' });
  const settings = { fsync: 'off', max_connections: '200' };
  const postgres = await startEmbeddedPostgres({ dataDir, logger, settings });
  return {
    url: postgres.url,
    source: 'embedded',
    async stop() {
      await postgres.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function onServer(url: string, statements: string[]): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

function databaseUrl(adminUrl: string, database: string): string {
  return Object.assign(new URL(adminUrl), { pathname: `/${database}` }).href;
}
