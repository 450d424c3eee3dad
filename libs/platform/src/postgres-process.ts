import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Writable } from 'node:stream';
import { type Logger } from './logger.js';
import { POSTGRES_SPAWN, type PostgresBinaries } from './postgres-binaries.js';
import { type PostgresCluster } from './postgres-cluster.js';
import { SUPERVISOR_NAME } from './postmaster.js';

/** A postmaster that accepts connections. */
export interface PostgresProcess {
  /** Resolves when it has ended, for whatever reason, with its last log lines. */
  readonly ended: Promise<string>;
  /** Fast shutdown: open transactions are rolled back, connections closed. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** What one start needs. */
export interface PostgresLaunch {
  readonly binaries: PostgresBinaries;
  readonly cluster: PostgresCluster;
  readonly port: number;
  /** Settings by name, as in postgresql.conf. */
  readonly settings: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

/** Postgres ended before it accepted connections; `log` holds its last lines. */
export class PostgresStartError extends Error {
  override readonly name = 'PostgresStartError';

  constructor(readonly log: string) {
    super(`the embedded Postgres did not start: ${log}`);
  }

  /** Whether something else listens on the port. */
  get isPortTaken(): boolean {
    return this.log.includes('could not bind');
  }

  /** Whether processes of a postmaster that was killed have not noticed yet that it is gone. */
  get isMemoryHeld(): boolean {
    return this.log.includes('pre-existing shared memory block');
  }
}

/**
 * Holds the postmaster for us. The end of this process, even by SIGKILL, closes fd 3, on which the watcher asks Postgres
 * for a fast shutdown. Postgres itself does not get fd 3. The signals of a terminal or a process group end neither.
 */
const SUPERVISOR = `
shift
"$@" 3<&- &
postgres=$!
trap '' INT TERM HUP
( read -r line <&3; kill -INT $postgres ) 2>/dev/null &
watcher=$!
wait $postgres
status=$?
kill -KILL $watcher 2>/dev/null
exit $status
`;

const LOG_LINES_KEPT = 20;

/** Starts a postmaster and resolves when it accepts connections. Rejects with a {@link PostgresStartError}. */
export function launchPostgres(launch: PostgresLaunch): Promise<PostgresProcess> {
  const { cluster, binaries, logger } = launch;
  const command = [binaries.postgres, '-D', join(cluster.folder, 'data'), '-p', String(launch.port), ...flags(launch)];
  const shell = spawn('/bin/sh', ['-c', SUPERVISOR, SUPERVISOR_NAME, String(process.pid), ...command], {
    ...POSTGRES_SPAWN,
    ...cluster.account,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    // An own session: Ctrl-C in the terminal is for us, who still need Postgres while we shut down.
    detached: true,
  });
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    const ended = endOf(shell).then(() => lines.join('\n'));
    ended.then((log) => reject(new PostgresStartError(log)), reject);
    createInterface({ input: shell.stderr! }).on('line', (line) => {
      lines.splice(0, lines.length - LOG_LINES_KEPT + 1);
      lines.push(line);
      logLine(logger, line);
      if (line.includes('database system is ready to accept connections')) resolve(handle(shell, ended));
    });
  });
}

function flags({ settings }: PostgresLaunch): string[] {
  const fixed = { listen_addresses: '127.0.0.1', unix_socket_directories: '', log_line_prefix: '' };
  return Object.entries({ ...settings, ...fixed }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

function handle(shell: ChildProcess, ended: Promise<string>): PostgresProcess {
  return {
    ended,
    async stop() {
      lifeline(shell).end();
      await ended;
    },
  };
}

/** Resolves when the shell is gone and all that Postgres wrote has been read. */
function endOf(shell: ChildProcess): Promise<void> {
  lifeline(shell).on('error', () => undefined);
  // Where the shell alone was killed, the watcher still waits for this.
  shell.once('exit', () => lifeline(shell).destroy());
  return new Promise((resolve, reject) => {
    shell.once('close', () => resolve());
    shell.once('error', reject);
  });
}

function lifeline(shell: ChildProcess): Writable {
  return shell.stdio[3] as Writable;
}

function logLine(logger: Logger, line: string): void {
  if (line.startsWith('PANIC:')) logger.error({ line }, 'postgres.log');
  else if (/^(FATAL|WARNING):/.test(line)) logger.warn({ line }, 'postgres.log');
  else logger.debug({ line }, 'postgres.log');
}
