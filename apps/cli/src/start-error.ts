import { AgentLoadError } from '#agents';
import { type Config, ConfigError } from '#platform';
import { MigrationBlockedError, SchemaOutdatedError } from '#store';
import { connectionReason } from './call-error.js';
import { CliError, ExitCode } from './cli-error.js';

/** Errors of our own code: only their stack helps, so they pass as they are. */
const FAULTS = [TypeError, ReferenceError, RangeError, SyntaxError];

/** Errors that say by themselves what is wrong, and what to do. */
const OURS = [ConfigError, AgentLoadError, MigrationBlockedError, SchemaOutdatedError];

/**
 * Does what a server needs to start. Settings, agents, a port in use, a database out of reach: what the operator can mend
 * becomes a CliError with a message that says what is wrong, and the exit code of a failed start.
 */
export async function starting<T>(start: () => Promise<T>, config?: Config): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof Error) || FAULTS.some((fault) => error instanceof fault)) throw error;
    throw new CliError(explain(error, config), ExitCode.start, { cause: error });
  }
}

function explain(error: Error, config: Config | undefined): string {
  if (OURS.some((kind) => error instanceof kind)) return error.message;
  const { code, syscall, port } = innermost(error) as NodeJS.ErrnoException & { port?: number };
  if (config && syscall === 'listen') return listenText(code, port === config.grpcPort, config);
  if (config?.databaseUrl !== undefined && (CONNECT_CALLS.has(syscall ?? '') || 'severity' in error)) {
    return `The database at ${place(config.databaseUrl)} cannot be used: ${connectionReason(error)}.`;
  }
  return `Perdure cannot start: ${connectionReason(error)}.`;
}

const CONNECT_CALLS: ReadonlySet<string> = new Set(['connect', 'getaddrinfo', 'read']);

/** Connecting to a name with several addresses fails with one error for each of them. */
function innermost(error: Error): Error {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  return first instanceof Error ? innermost(first) : error;
}

function listenText(code: string | undefined, isGrpc: boolean, { host, port, grpcPort }: Config): string {
  const reason =
    {
      EADDRINUSE: 'something else listens there already',
      EACCES: 'this user may not',
      EADDRNOTAVAIL: 'it is not here',
    }[code ?? ''] ?? code;
  if (!isGrpc)
    return `Perdure cannot listen on ${host}, port ${port}: ${reason}. Choose others with --port and --host.`;
  const choice = 'Choose another with --grpc-port, or none: --grpc-port off.';
  return `Perdure cannot listen on ${host}, port ${grpcPort}, for gRPC: ${reason}. ${choice}`;
}

/** Host, port and database of a URL: it is shown, so no user and no password. */
function place(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
