import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '#platform';
import { BenchPostgres } from './bench-postgres.mjs';
import { Load } from './load.mjs';
import { ServerProcess } from './server-process.mjs';
import { migrateYardstick } from './yardstick-database.mjs';

/** Database of the measured Perdure, whose tasks are counted in the end. */
export const PERDURE_DATABASE = 'perdure_bench';
/** Database of the SDK's store. */
export const SDK_DATABASE = 'sdk_bench';

/** The servers by the names that scenarios use: how to start each. */
const SERVERS = {
  perdure: { program: 'perdure', database: PERDURE_DATABASE },
  'sdk in memory': { program: 'sdk' },
  'sdk on Postgres': { program: 'sdk', database: SDK_DATABASE },
};

/** What scenarios work with: one Postgres, one load generator, and servers. */
export class Laboratory {
  /** Ids of all tasks that Perdure has answered for in `PERDURE_DATABASE`. */
  answered = new Set();
  complaints = [];
  #servers = new Set();
  #closed;

  /** @param settings of Postgres on top of the server's own. */
  static async open(durations, settings) {
    const folder = join(packageRoot(), '.perdure', `bench-${process.pid}`);
    mkdirSync(folder, { recursive: true });
    const postgres = await BenchPostgres.start(folder, settings);
    await postgres.createDatabase(PERDURE_DATABASE);
    await migrateYardstick(await postgres.createDatabase(SDK_DATABASE));
    return new Laboratory(durations, postgres);
  }

  constructor(durations, postgres) {
    this.durations = durations;
    this.postgres = postgres;
    this.load = new Load();
  }

  /** Runs `work` with a fresh process of a server, with the options of {@link startServer}. */
  async withServer(name, work, options) {
    const server = await this.startServer(name, options);
    try {
      return await work(server);
    } finally {
      await this.stopServer(server);
    }
  }

  /**
   * Starts a process of a server. `database` replaces the server's own, `nodeArgs` go to node, `settings` into its
   * environment; it has started when it answers at the path `probe`.
   */
  async startServer(name, { database, ...options } = {}) {
    const { program, database: own } = SERVERS[name];
    const place = database ?? own;
    const databaseUrl = place && this.postgres.urlOf(place);
    const server = await ServerProcess.start(program, { databaseUrl, ...options });
    this.#servers.add(server);
    return server;
  }

  /** Drains and stops a server, if it still runs. */
  async stopServer(server) {
    this.complaints.push(...server.complaints);
    await server.stop();
    this.#servers.delete(server);
  }

  /**
   * Loads a server for the usual time, or as many `times` as the job says. Returns the result of the load with the
   * CPU microseconds of the server and of Postgres per answer, and the server's resident MiB at the end.
   */
  async measure(server, job, { onMark } = {}) {
    const cpu = {};
    const result = await this.load.run({ ...this.durations, connections: 1, port: server.port, ...job }, (mark) => {
      cpu[mark] = { server: server.cpuMicroseconds, postgres: this.postgres.cpuMicroseconds };
      onMark?.(mark);
    });
    const perAnswer = (part) => (cpu.end[part] - cpu.start[part]) / result.answered;
    const resident = server.residentMebibytes;
    return { ...result, serverCpu: perAnswer('server'), postgresCpu: perAnswer('postgres'), resident };
  }

  /** Keeps the ids of tasks that Perdure has answered for, for the audit. */
  remember(taskIds) {
    for (const id of taskIds) this.answered.add(id);
  }

  /** Stops everything; a second call waits for the first. */
  close() {
    return (this.#closed ??= this.#stopAll());
  }

  async #stopAll() {
    await Promise.all(Array.from(this.#servers, (server) => server.stop()));
    this.load.close();
    await this.postgres.stop();
  }
}
