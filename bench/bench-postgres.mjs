import { realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { createLogger, startEmbeddedPostgres } from '#platform';
import { cpuMicroseconds, parentOf } from './process-usage.mjs';

/**
 * The Postgres of a benchmark: the one that `perdure serve` starts for itself, with the same settings, fsync on. The
 * benchmark starts it, so that every server that needs one gets a database on the same.
 */
export class BenchPostgres {
  #postgres;
  #postmaster;

  /** Starts it on a new cluster in `folder`; `settings` come on top of the server's own. */
  static async start(folder, settings = {}) {
    const bench = new BenchPostgres(folder, settings);
    await bench.#launch();
    return bench;
  }

  constructor(folder, settings) {
    this.folder = folder;
    this.settings = settings;
  }

  /** Stops it, with all its connections, and starts it again at the same address. */
  async restart() {
    await this.#postgres.stop();
    await this.#launch();
  }

  /** CPU time of all its processes. */
  get cpuMicroseconds() {
    return cpuMicroseconds(this.#postmaster, { children: true });
  }

  urlOf(database) {
    return Object.assign(new URL(this.#postgres.url), { pathname: `/${database}` }).href;
  }

  /** Makes a new database; returns its URL. */
  async createDatabase(name) {
    await this.query('postgres', `create database ${name}`);
    return this.urlOf(name);
  }

  /** Runs one statement on a connection of its own; returns the rows. */
  async query(database, text, values) {
    return this.connected(database, async (client) => (await client.query(text, values)).rows);
  }

  /** Calls `work` with a connected client. */
  async connected(database, work) {
    const client = new pg.Client({ connectionString: this.urlOf(database) });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  async #launch() {
    const logger = createLogger({ logLevel: 'error', logFormat: 'json' });
    this.#postgres = await startEmbeddedPostgres({ dataDir: this.folder, logger, settings: this.settings });
    await this.connected('postgres', async (client) => {
      const { rows } = await client.query('select pg_backend_pid() as pid');
      this.#postmaster = parentOf(rows[0].pid);
    });
  }

  /** Stops it and removes its data. */
  async stop() {
    await this.#postgres.stop();
    // The cluster of root stands elsewhere, behind a link.
    rmSync(realpathSync(join(this.folder, 'postgres')), { recursive: true, force: true });
    rmSync(this.folder, { recursive: true, force: true });
  }
}
