import { readFileSync } from 'node:fs';
import { afterAll } from 'vitest';
import { type Role } from '#platform';
import { JsonRpcClient } from './json-rpc.js';
import { type Mode, modeVariables } from './modes.js';
import { BUNDLED_PERDURE, PerdureProcess } from './perdure-process.js';

/** What a server process is started with: one of `dataDir` (an embedded Postgres) and `databaseUrl`. */
export interface ServerProcessOptions {
  /** Folders. */
  readonly agents: readonly string[];
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  /** What it does; everything where it is left out. */
  readonly role?: Role;
  readonly env?: Readonly<Record<string, string>>;
}

/** One line of the server's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Starts servers for the tests of this file or group; those that still run after them are killed. `program`: which command line. */
export function useServerProcesses(
  mode: Mode = 'postgres',
  program = BUNDLED_PERDURE,
): (options: ServerProcessOptions) => Promise<ServerProcess> {
  const processes: PerdureProcess[] = [];
  afterAll(async () => {
    await Promise.all(processes.map((perdure) => perdure.dispose()));
  });
  return ({ agents, dataDir = '', databaseUrl = '', role = 'all', env }) => {
    const queue = mode === 'redis' ? modeVariables(mode, databaseUrl || `postgres://embedded${dataDir}`) : {};
    const settings = { PORT: '0', PERDURE_LOG_FORMAT: 'json', PERDURE_LOG_LEVEL: 'info' };
    const perdure = new PerdureProcess(['serve', ...agents], {
      program,
      env: { ...settings, PERDURE_DATA_DIR: dataDir, DATABASE_URL: databaseUrl, PERDURE_ROLE: role, ...queue, ...env },
    });
    processes.push(perdure);
    return ServerProcess.ready(perdure);
  };
}

/** `perdure serve` as a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly perdure: PerdureProcess,
    readonly url: string,
  ) {}

  /** Resolves when the server listens. Rejects with its output where it ends before. */
  static async ready(perdure: PerdureProcess): Promise<ServerProcess> {
    const [, url] = await perdure.shows(/^Perdure listens on (http\S+)$/m);
    return new ServerProcess(perdure, url!);
  }

  get pid(): number {
    return this.perdure.pid;
  }

  /** `host:port` of its gRPC. */
  get grpc(): string {
    return /^gRPC on (\S+)$/m.exec(this.perdure.output)![1]!;
  }

  /** Its exit code, or the signal that ended it. */
  get ended(): Promise<number | string> {
    return this.perdure.ended;
  }

  /** A client of one of its agents. */
  rpc(agent: string): JsonRpcClient {
    return new JsonRpcClient(`${this.url}/agents/${agent}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.perdure.signal(signal);
  }

  /** kill -9; resolves when it is gone. */
  async kill(): Promise<void> {
    this.perdure.signal('SIGKILL');
    await this.ended;
  }

  /** The log so far. */
  get log(): LogLine[] {
    const lines = this.perdure.output.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves with the first line of that kind that matches, logged already or yet to come. */
  async logged(msg: string, matches: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    for (let seen = 0; ;) {
      const found = this.log.find((line) => line.msg === msg && matches(line));
      if (found) return found;
      await this.perdure.shows(/\n/, seen);
      seen = this.perdure.output.length;
    }
  }

  /** Resident memory in megabytes. */
  get residentMb(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
  }
}
