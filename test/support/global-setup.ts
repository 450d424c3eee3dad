import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type TestProject } from 'vitest/node';
import { createLogger, migrateQueue, startEmbeddedPostgres } from '#platform';
import { migrate } from '#store';
import { bundlePrograms } from './bundled-programs.js';
import { compileAgents } from './compiled-agents.js';
import { RedisServer } from './redis-server.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a Postgres superuser's database, from which a spec makes its own databases. */
    postgresUrl: string;
    /** Name of the migrated database that {@link createDatabase} clones. */
    templateDatabase: string;
    /** URL of a Redis that all specs share; empty where there is none. */
    redisUrl: string;
    /** Folder with the folders of test agents as JavaScript. */
    compiledAgents: string;
    /** Folder with the programs of {@link bundlePrograms}. */
    bundledPrograms: string;
  }
}

interface TestService {
  readonly url: string;
  readonly source: string;
  stop(): Promise<void>;
}

/** One Postgres for the whole run, with one migrated database to clone, one Redis, the test agents and the programs; all are gone afterwards. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const postgres = givenPostgres() ?? (await containerPostgres()) ?? (await embeddedPostgres());
  const redis = givenRedis() ?? (await containerRedis()) ?? (await localRedis()) ?? NO_REDIS;
  process.stdout.write(`Postgres for the tests: ${postgres.source}\nRedis for the tests: ${redis.source}\n`);
  // Servers under test use it where their test says so.
  delete process.env.REDIS_URL;
  project.provide('redisUrl', redis.url);
  const template = `perdure_template_${process.pid}`;
  await onServer(postgres.url, [`drop database if exists ${template}`, `create database ${template}`]);
  await migrate(databaseUrl(postgres.url, template));
  await migrateQueue(databaseUrl(postgres.url, template));
  project.provide('postgresUrl', postgres.url);
  project.provide('templateDatabase', template);
  const agents = mkdtempSync(join(tmpdir(), 'perdure-agents-'));
  compileAgents(agents);
  project.provide('compiledAgents', agents);
  const programs = await bundlePrograms();
  project.provide('bundledPrograms', programs);
  return async () => {
    await onServer(postgres.url, [`drop database ${template} with (force)`]);
    await Promise.all([postgres.stop(), redis.stop()]);
    for (const folder of [agents, programs]) rmSync(folder, { recursive: true });
  };
}

function givenPostgres(): TestService | undefined {
  const url = process.env.TEST_DATABASE_URL;
  return url ? { url, source: 'TEST_DATABASE_URL', stop: async () => undefined } : undefined;
}

async function hasContainers(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

async function containerPostgres(): Promise<TestService | undefined> {
  if (!(await hasContainers())) return undefined;
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const command = ['postgres', '-c', 'fsync=off', '-c', 'max_connections=200'];
  const container = await new PostgreSqlContainer('postgres:18').withCommand(command).start();
  const stop = async () => void (await container.stop());
  return { url: container.getConnectionUri(), source: 'a container', stop };
}

async function embeddedPostgres(): Promise<TestService> {
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

const NO_REDIS: TestService = {
  url: '',
  source: 'none (no REDIS_URL, no containers, no redis-server on the path): what is over Redis is skipped',
  stop: async () => undefined,
};

function givenRedis(): TestService | undefined {
  const url = process.env.REDIS_URL;
  return url ? { url, source: 'REDIS_URL', stop: async () => undefined } : undefined;
}

async function containerRedis(): Promise<TestService | undefined> {
  if (!(await hasContainers())) return undefined;
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer('valkey/valkey:8').withExposedPorts(6379).start();
  const stop = async () => void (await container.stop());
  return { url: `redis://${container.getHost()}:${container.getMappedPort(6379)}`, source: 'a container', stop };
}

async function localRedis(): Promise<TestService | undefined> {
  if (!(await RedisServer.isInstalled())) return undefined;
  const server = await RedisServer.start();
  return { url: server.url, source: 'redis-server', stop: () => server.kill() };
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
