import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Logger } from './logger.js';
import { packagedBinaries, usableBinaries } from './postgres-binaries.js';
import { openCluster, type PostgresCluster, storedPort, storePort } from './postgres-cluster.js';
import { launchPostgres, type PostgresLaunch, type PostgresProcess, PostgresStartError } from './postgres-process.js';
import { claimDataFolder, ClusterInUseError } from './postmaster.js';

/** Where and how to run the embedded Postgres. */
export interface EmbeddedPostgresOptions {
  /** Folder for its data, made if it is not there. Root's Postgres may end up elsewhere, with a link from here. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Settings by name as in postgresql.conf, over the defaults; tests pass `{ fsync: 'off' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A Postgres server of our own. */
export interface EmbeddedPostgres {
  /** `postgres://…` of a superuser on 127.0.0.1, password included. The same after a restart, unless its port is taken. */
  readonly url: string;
  /** Fast shutdown; resolves when the server has ended. */
  stop(): Promise<void>;
}

const DEFAULTS = {
  fsync: 'on',
  shared_buffers: '128MB',
  max_connections: '100',
  max_wal_size: '1GB',
  min_wal_size: '128MB',
  log_checkpoints: 'off',
};
const START_ATTEMPTS = 5;
const RESTART_DELAY_MS = 500;

/**
 * Runs a real Postgres from the npm package's binaries on the data in `dataDir`, which the first call creates. It ends
 * with this process, however that ends, and is started again if it dies alone. Rejects with the reason where it cannot
 * run, and with a `ClusterInUseError` while another process serves the same data. See docs/adr/0002-embedded-postgres.md.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (process.platform === 'win32') throw new Error('the embedded Postgres does not run on Windows: set DATABASE_URL');
  const { logger } = options;
  const settings = { ...DEFAULTS, ...options.settings };
  const cluster = await openCluster(resolve(options.dataDir), { durable: settings.fsync !== 'off' });
  await claimDataFolder(join(cluster.folder, 'data'), logger);
  const binaries = usableBinaries(packagedBinaries(), cluster.folder, cluster.account);
  const { postgres, port } = await launchOnFreePort({ binaries, cluster, settings, logger });
  logger.info({ folder: cluster.folder, port }, 'postgres.started');
  const supervisor = new Supervisor({ binaries, cluster, settings, logger, port }, postgres);
  return { url: urlOf(cluster, port), stop: () => supervisor.stop() };
}

/**
 * The embedded Postgres on the data in `dataDir`: the one that another process runs, which is left running by `stop`, else one
 * of our own as {@link startEmbeddedPostgres} starts it.
 */
export async function joinEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    return await startEmbeddedPostgres(options);
  } catch (error) {
    if (!(error instanceof ClusterInUseError)) throw error;
    const cluster = await openCluster(resolve(options.dataDir), { durable: true });
    const port = storedPort(cluster);
    if (port === undefined) throw error;
    return { url: urlOf(cluster, port), stop: async () => undefined };
  }
}

async function launchOnFreePort(
  launch: Omit<PostgresLaunch, 'port'>,
): Promise<{ postgres: PostgresProcess; port: number }> {
  let port = storedPort(launch.cluster) ?? (await freePort());
  for (let attempt = 1; ; attempt++) {
    try {
      const postgres = await launchPostgres({ ...launch, port });
      storePort(launch.cluster, port);
      return { postgres, port };
    } catch (error) {
      if (!(error instanceof PostgresStartError) || attempt === START_ATTEMPTS) throw error;
      if (error.isPortTaken) port = await freePort();
      else if (error.isMemoryHeld) await delay(RESTART_DELAY_MS);
      else throw error;
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

function urlOf({ password }: PostgresCluster, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/** Starts Postgres again, on the same port, whenever it ends without having been asked to. */
class Supervisor {
  private readonly stopping = new AbortController();
  private readonly finished: Promise<void>;

  constructor(
    private readonly launch: PostgresLaunch,
    private postgres: PostgresProcess,
  ) {
    this.finished = this.keepRunning();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.postgres.stop();
    await this.finished;
  }

  private async keepRunning(): Promise<void> {
    for (;;) {
      const log = await this.postgres.ended;
      if (this.stopping.signal.aborted) return;
      this.launch.logger.error({ log }, 'postgres.ended_unexpectedly');
      await this.restart();
    }
  }

  /** Tries until Postgres runs again or is not wanted any more. */
  private async restart(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await delay(RESTART_DELAY_MS, undefined, { signal });
        await claimDataFolder(join(this.launch.cluster.folder, 'data'), this.launch.logger);
        this.postgres = await launchPostgres(this.launch);
        this.launch.logger.info('postgres.restarted');
        if (signal.aborted) await this.postgres.stop();
        return;
      } catch (error) {
        if (!signal.aborted) this.launch.logger.error({ err: error }, 'postgres.restart_failed');
      }
    }
  }
}
