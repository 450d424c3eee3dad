import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { type ConfigProblem, Environment, type EnvironmentVariables } from './environment.js';
import { packageRoot } from './package-root.js';
import { readTlsFiles, type TlsFiles } from './tls-files.js';

/** Injection token of the {@link Config}. */
export const CONFIG = Symbol('perdure.config');

/**
 * Everything that can be set from outside, with its variable and default. Durations are written `250ms`, `5s`, `1m`,
 * `24h` and held in milliseconds; sizes are written `64kb`, `10mb` and held in bytes.
 */
export interface Config {
  /** HOST (127.0.0.1): address to listen on. One that others can reach needs `PERDURE_ALLOW_PUBLIC=true`. */
  readonly host: string;
  /** PORT (8080): port of JSON-RPC, agent cards and health checks; 0 takes a free one. */
  readonly port: number;
  /** GRPC_PORT (50051): port of gRPC, on the same address; 0 takes a free one, `off` serves no gRPC: undefined. */
  readonly grpcPort?: number;
  /** GRPC_PUBLIC_URL (none): the `host:port` clients use for gRPC, for agent cards behind a proxy; no scheme. */
  readonly grpcPublicUrl?: string;
  /** GRPC_TLS_CERT, GRPC_TLS_KEY, GRPC_TLS_CLIENT_CA (none): PEM files; gRPC speaks TLS, with the last one mutual TLS. */
  readonly grpcTls?: TlsFiles;
  /** PUBLIC_URL (none): the base URL clients use, for agent cards behind a proxy; no slash at its end. */
  readonly publicUrl?: string;
  /** PERDURE_ALLOW_PUBLIC (false): listen on addresses other than loopback although callers are not authenticated. */
  readonly allowPublic: boolean;
  /** DATABASE_URL (none): the Postgres to use; without it one is started from the embedded binaries. */
  readonly databaseUrl?: string;
  /** PERDURE_DATA_DIR (.perdure): folder of the embedded Postgres' data; held as an absolute path. */
  readonly dataDir: string;
  /**
   * PERDURE_SECRET_KEY (none; with the embedded database one is made in the data folder): 32 bytes as base64, with which
   * secrets in the database are encrypted. Several, separated by commas: the first encrypts, all decrypt.
   */
  readonly secretKeys: readonly Uint8Array[];
  /** PERDURE_AGENTS (the package's examples/agents): comma separated folders of agent files; held as absolute paths. */
  readonly agentDirs: readonly string[];
  /** PERDURE_WORKER_CONCURRENCY (100): runs at once in one process. */
  readonly workerConcurrency: number;
  /** PERDURE_LEASE (5s): how long a run may go unrenewed before another worker takes it over. */
  readonly leaseMs: number;
  /** PERDURE_DRAIN (10s): how long SIGTERM waits for runs and streams before it hands them back. */
  readonly drainMs: number;
  /** PERDURE_RETRY_ATTEMPTS (3): runs of a task that keeps throwing, for agents that do not say. */
  readonly retryAttempts: number;
  /** PERDURE_RETRY_INITIAL_DELAY (1s): wait before the second attempt; doubles from there. */
  readonly retryInitialDelayMs: number;
  /** PERDURE_RETRY_MAX_DELAY (5m): longest wait between two attempts. */
  readonly retryMaxDelayMs: number;
  /** PERDURE_RUN_TIMEOUT (30m): end of one run of a handler, for agents that do not say. */
  readonly runTimeoutMs: number;
  /** PERDURE_BLOCKING_TIMEOUT (0 = none): longest wait of a blocking send before it answers with the task as it is. */
  readonly blockingTimeoutMs: number;
  /** PERDURE_MAX_BODY (10mb): largest request body. */
  readonly maxBodyBytes: number;
  /** PERDURE_MAX_PARTS (1000): most parts in one message. */
  readonly maxPartsPerMessage: number;
  /** PERDURE_MAX_EVENTS (100000): most events in one task. */
  readonly maxEventsPerTask: number;
  /** PERDURE_MAX_EVENT (1mb): largest single event a handler may emit, and largest result of a step. */
  readonly maxEventBytes: number;
  /** PERDURE_MAX_RECORDS (10000): most recorded calls in one turn of a handler; all of them are read at each replay. */
  readonly maxRecordsPerTurn: number;
  /** PERDURE_MAX_STREAMS (10000): most open streams in one process. */
  readonly maxStreams: number;
  /** PERDURE_STREAM_BUFFER (256): events held for a slow reader before it is served from the log. */
  readonly streamBuffer: number;
  /** PERDURE_KEEP_ALIVE (15s): pause after which a silent stream gets a comment. */
  readonly keepAliveMs: number;
  /** PERDURE_STREAM_STALL (60s): how long a reader may take nothing before its stream is closed. */
  readonly streamStallMs: number;
  /** PERDURE_PAGE_SIZE_MAX (100): most tasks on one page of ListTasks. */
  readonly pageSizeMax: number;
  /** PERDURE_IDEMPOTENCY_TTL (24h): how long an idempotency key is remembered. */
  readonly idempotencyTtlMs: number;
  /** PERDURE_POOL_SIZE (10): Postgres connections of one process' pool. */
  readonly poolSize: number;
  /** PERDURE_LOG_LEVEL (info): trace, debug, info, warn, error, fatal or silent. */
  readonly logLevel: LogLevel;
  /** PERDURE_LOG_FORMAT (pretty on a terminal, else json): lines for people or for machines. */
  readonly logFormat: LogFormat;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const LOG_FORMATS = ['pretty', 'json'] as const;

/** From everything to nothing, as in pino. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `pretty`: coloured lines; `json`: one object a line. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Thrown by {@link loadConfig}; the message has one line for every variable that cannot be used. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ variable, value, wanted }) => `  ${variable}=${value}: want ${wanted}`);
    super(`cannot start with these settings:\n${lines.join('\n')}`);
  }
}

/** Node's timers fire at once beyond this, about 24.8 days. */
const TIMER_MAX = 2 ** 31 - 1;
const TIMER = { min: 1, max: TIMER_MAX };

/** Reads and checks all settings. Throws a {@link ConfigError} that lists every wrong one. */
export function loadConfig(variables: EnvironmentVariables = process.env): Config {
  const env = new Environment(variables);
  const config: Config = {
    ...addresses(env),
    ...execution(env),
    ...limits(env),
    databaseUrl: env.url('DATABASE_URL', ['postgres:', 'postgresql:'], { secret: true }),
    dataDir: resolve(env.text('PERDURE_DATA_DIR', '.perdure')),
    secretKeys: secretKeys(env),
    agentDirs: env.list('PERDURE_AGENTS', [join(packageRoot(), 'examples/agents')]).map((dir) => resolve(dir)),
    poolSize: env.integer('PERDURE_POOL_SIZE', 10, { min: 2, max: 1_000 }),
    logLevel: env.choice('PERDURE_LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: env.choice('PERDURE_LOG_FORMAT', LOG_FORMATS, process.stdout.isTTY ? 'pretty' : 'json'),
  };
  if (env.problems.length > 0) throw new ConfigError(env.problems);
  return config;
}

function secretKeys(env: Environment): Uint8Array[] {
  const keys = env.list('PERDURE_SECRET_KEY', []).map((text) => ({ text, bytes: Buffer.from(text, 'base64') }));
  const isKey = ({ text, bytes }: (typeof keys)[number]) => /^[A-Za-z0-9+/]{43}=$/.test(text) && bytes.length === 32;
  const wanted = '32 bytes as base64, such as `openssl rand -base64 32` prints';
  if (!keys.every(isKey)) return env.refuse('PERDURE_SECRET_KEY', '(hidden)', wanted, []);
  return keys.map(({ bytes }) => bytes);
}

function addresses(env: Environment) {
  const host = env.text('HOST', '127.0.0.1');
  const allowPublic = env.flag('PERDURE_ALLOW_PUBLIC', false);
  if (!allowPublic && !isLoopback(host)) {
    const wanted = 'a loopback address, or PERDURE_ALLOW_PUBLIC=true as well, since callers are not authenticated';
    env.refuse('HOST', host, wanted, host);
  }
  return {
    host,
    allowPublic,
    port: env.integer('PORT', 8080, { min: 0, max: 65_535 }),
    publicUrl: env.url('PUBLIC_URL', ['http:', 'https:']),
    ...grpc(env),
  };
}

function grpc(env: Environment) {
  const isOff = env.raw('GRPC_PORT') === 'off';
  return {
    grpcPort: isOff ? undefined : env.integer('GRPC_PORT', 50_051, { min: 0, max: 65_535 }),
    grpcPublicUrl: hostAndPort(env, 'GRPC_PUBLIC_URL'),
    grpcTls: readTlsFiles(env, 'GRPC_TLS'),
  };
}

/** A target as gRPC names it: a scheme would make some clients look for something else. */
function hostAndPort(env: Environment, variable: string): string | undefined {
  const value = env.raw(variable);
  const isTarget = value === undefined || /^([^\s:/?#@[\]]+|\[[\da-fA-F:.]+\]):\d{1,5}$/.test(value);
  return isTarget ? value : env.refuse(variable, value, 'host:port without a scheme', undefined);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function execution(env: Environment) {
  return {
    workerConcurrency: env.integer('PERDURE_WORKER_CONCURRENCY', 100, { min: 1, max: 100_000 }),
    leaseMs: env.duration('PERDURE_LEASE', '5s', { min: 500, max: 3_600_000 }),
    drainMs: env.duration('PERDURE_DRAIN', '10s', { min: 0, max: TIMER_MAX }),
    retryAttempts: env.integer('PERDURE_RETRY_ATTEMPTS', 3, { min: 1, max: 1_000 }),
    retryInitialDelayMs: env.duration('PERDURE_RETRY_INITIAL_DELAY', '1s', TIMER),
    retryMaxDelayMs: env.duration('PERDURE_RETRY_MAX_DELAY', '5m', TIMER),
    runTimeoutMs: env.duration('PERDURE_RUN_TIMEOUT', '30m', TIMER),
    blockingTimeoutMs: env.duration('PERDURE_BLOCKING_TIMEOUT', '0', { min: 0, max: TIMER_MAX }),
    idempotencyTtlMs: env.duration('PERDURE_IDEMPOTENCY_TTL', '24h'),
  };
}

function limits(env: Environment) {
  return {
    maxBodyBytes: env.size('PERDURE_MAX_BODY', '10mb', { min: 1024, max: 1024 ** 3 }),
    maxPartsPerMessage: env.integer('PERDURE_MAX_PARTS', 1_000, { min: 1 }),
    maxEventsPerTask: env.integer('PERDURE_MAX_EVENTS', 100_000, { min: 10, max: 2 ** 31 - 1 }),
    maxEventBytes: env.size('PERDURE_MAX_EVENT', '1mb', { min: 1024, max: 1024 ** 3 }),
    maxRecordsPerTurn: env.integer('PERDURE_MAX_RECORDS', 10_000, { min: 10, max: 1_000_000 }),
    maxStreams: env.integer('PERDURE_MAX_STREAMS', 10_000, { min: 1 }),
    streamBuffer: env.integer('PERDURE_STREAM_BUFFER', 256, { min: 1, max: 1_000_000 }),
    keepAliveMs: env.duration('PERDURE_KEEP_ALIVE', '15s', TIMER),
    streamStallMs: env.duration('PERDURE_STREAM_STALL', '60s', TIMER),
    pageSizeMax: env.integer('PERDURE_PAGE_SIZE_MAX', 100, { min: 1, max: 10_000 }),
  };
}
