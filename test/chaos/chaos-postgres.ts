import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { createLogger, type EmbeddedPostgres, startEmbeddedPostgres } from '#platform';
import { PERDURE } from './program.js';

const execute = promisify(execFile);
const DATABASE = 'chaos';
const BACK_MS = 60_000;
const POLL_MS = 50;
/** Four processes with all of their pools; fsync is on, as ever. */
const SETTINGS = { max_connections: '250' };

/** A Postgres of our own, with the schema of Perdure. */
export class ChaosPostgres {
  private restarting = Promise.resolve();

  private constructor(
    private readonly folder: string,
    private readonly postgres: EmbeddedPostgres,
  ) {}

  static async start(folder: string): Promise<ChaosPostgres> {
    // Root's Postgres is somebody else, who has to get in.
    chmodSync(folder, 0o755);
    const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
    const postgres = await startEmbeddedPostgres({ dataDir: folder, logger, settings: SETTINGS });
    const chaos = new ChaosPostgres(folder, postgres);
    await chaos.on('postgres', (client) => client.query(`create database ${DATABASE}`));
    await execute(process.execPath, [PERDURE, 'migrate'], { env: { ...process.env, DATABASE_URL: chaos.url } });
    return chaos;
  }

  get url(): string {
    return Object.assign(new URL(this.postgres.url), { pathname: `/${DATABASE}` }).href;
  }

  /** Calls `work` with a connection to the database that no fault concerns but Postgres' own. */
  connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.on(DATABASE, work);
  }

  /**
   * Ends it, by a fast or an immediate shutdown; whoever started it starts it again. Resolves when it answers. One restart
   * comes after the other.
   */
  restart(how: 'fast' | 'immediate'): Promise<void> {
    return (this.restarting = this.restarting.then(() => this.end(how)));
  }

  private async end(how: 'fast' | 'immediate'): Promise<void> {
    const [pid] = readFileSync(join(this.folder, 'postgres/data/postmaster.pid'), 'utf8').split('\n');
    process.kill(Number(pid), how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await delay(POLL_MS);
    await this.answers();
  }

  async answers(): Promise<void> {
    for (const end = performance.now() + BACK_MS; ; await delay(POLL_MS)) {
      try {
        return void (await this.connected((client) => client.query('select 1')));
      } catch (error) {
        if (performance.now() > end) throw error;
      }
    }
  }

  /** Ends the backend of each connection with that probability. */
  async terminate(probability: number): Promise<void> {
    const text = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and random() < $1`;
    await this.connected((client) => client.query(text, [probability]));
  }

  async stop(): Promise<void> {
    await this.postgres.stop();
    // The cluster of root stands elsewhere, behind a link.
    rmSync(realpathSync(join(this.folder, 'postgres')), { recursive: true, force: true });
  }

  private async on<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const connectionString = Object.assign(new URL(this.postgres.url), { pathname: `/${database}` }).href;
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
