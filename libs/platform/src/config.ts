import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { type AllowedHost, parseAllowedHost } from './allow-list.js';
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
  /** PERDURE_ROLE (all): `server` takes calls, `worker` runs handlers, `all` does both in one process. */
  readonly role: Role;
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
  /**
   * PERDURE_ADMIN (true; false beside PUBLIC_URL): answer operators at `/admin/v1`, those that call from this machine, as a
   * proxy on it does too, for anybody.
   */
  readonly adminApi: boolean;
  /** DATABASE_URL (none): the Postgres to use; without it one is started from the embedded binaries. */
  readonly databaseUrl?: string;
  /**
   * DATABASE_DIRECT_URL (DATABASE_URL): the same database past a pooler that gives each transaction another session, for what
   * needs a session of its own. Where it is set, nothing that goes to DATABASE_URL relies on one.
   */
  readonly directDatabaseUrl?: string;
  /** REDIS_URL (none): the Redis or Valkey of queue and signals; without it both go over Postgres. */
  readonly redisUrl?: string;
  /** PERDURE_REDIS_PREFIX (perdure): what the names of keys and channels begin with, the same in all processes of one Perdure. */
  readonly redisPrefix: string;
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
  /** PERDURE_TENANT_CONCURRENCY (PERDURE_WORKER_CONCURRENCY): runs of one tenant at once in one process. */
  readonly tenantConcurrency: number;
  /** PERDURE_MAX_BACKLOG (100000): most tasks of one tenant that may wait to begin; new ones beyond are refused. */
  readonly maxBacklog: number;
  /** PERDURE_LEASE (5s): how long a run may go unrenewed before another worker takes it over. */
  readonly leaseMs: number;
  /** PERDURE_DRAIN (10s): how long SIGTERM waits for runs and streams before it hands them back. */
  readonly drainMs: number;
  /**
   * PERDURE_SHUTDOWN_DELAY (0s): how long SIGTERM goes on taking calls, while readiness is off already: as long as load
   * balancers need to notice.
   */
  readonly shutdownDelayMs: number;
  /** PERDURE_MAX_LOST_WORKERS (10): workers that may die under one turn of a task before it fails as `worker_lost`. */
  readonly maxLostWorkers: number;
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
  /** PERDURE_MAX_PARTS (1000): most parts in one message, whoever sends it, and in one chunk of an artifact. */
  readonly maxPartsPerMessage: number;
  /** PERDURE_MAX_EVENTS (100000): most events in one task. */
  readonly maxEventsPerTask: number;
  /** PERDURE_MAX_MESSAGE (10mb): largest message of a client, as JSON; each run of its task reads it. */
  readonly maxMessageBytes: number;
  /** PERDURE_MAX_EVENT (1mb): largest single event a handler may emit, and largest answer of its `respond`. */
  readonly maxEventBytes: number;
  /** PERDURE_MAX_EVENT_RATE (1000): most events a second that one run may emit; ten seconds' worth may come at once. */
  readonly maxEventsPerSecond: number;
  /** PERDURE_MAX_ARTIFACTS (64mb): largest size of all artifacts of one task together. */
  readonly maxArtifactBytes: number;
  /** PERDURE_MAX_RESULT (16mb): largest result of a step. */
  readonly maxResultBytes: number;
  /** PERDURE_MAX_RECORDS (10000): most recorded calls in one turn of a handler; all of them are read at each replay. */
  readonly maxRecordsPerTurn: number;
  /** PERDURE_MAX_SIGNALS (10000): most signals that others may send to one task. */
  readonly maxSignalsPerTask: number;
  /** PERDURE_MAX_SIGNAL (256kb): largest value of one signal. */
  readonly maxSignalBytes: number;
  /** PERDURE_MAX_STREAMS (10000): most open streams in one process. */
  readonly maxStreams: number;
  /** PERDURE_MAX_TENANT_STREAMS (nine tenths of PERDURE_MAX_STREAMS): most open streams of one tenant in one process. */
  readonly maxTenantStreams: number;
  /** PERDURE_MAX_WAITING (10000): most blocking sends in one process that wait for their accepted tasks. */
  readonly maxWaiting: number;
  /** PERDURE_MAX_CALLS (2000): most calls one process works on at a time; not those that wait for a task, nor open streams. */
  readonly maxCalls: number;
  /** PERDURE_MAX_BODIES (256mb): most that the bodies of all open HTTP requests may take in one process. */
  readonly maxBodiesBytes: number;
  /** PERDURE_MAX_LOOP_DELAY (500ms): how late the event loop may be, for longer than a moment, before new work is refused. */
  readonly maxLoopDelayMs: number;
  /** PERDURE_MAX_HEAP (85): percent of the heap's limit (node's --max-old-space-size) in use, before new work is refused. */
  readonly maxHeapPercent: number;
  /** PERDURE_MAX_CONNECTIONS (20000): most connections over HTTP to one process; those beyond are closed at once. */
  readonly maxConnections: number;
  /**
   * PERDURE_PEERS (none): comma separated origins, such as `https://agents.example`, of the agents that handlers may
   * delegate to. Without any: whatever address a handler names, and what its card names at the same origin.
   */
  readonly peers: readonly string[];
  /** PERDURE_PEER_TIMEOUT (30s): longest wait for the answer of another agent to one call. */
  readonly peerTimeoutMs: number;
  /** PERDURE_PEER_OUTAGE (24h): how long a delegation goes on trying while the other agent does not answer. */
  readonly peerOutageMs: number;
  /** PERDURE_PEER_MAX_RESPONSE (10mb): largest answer of another agent, and most of one stream. */
  readonly peerResponseBytes: number;
  /** PERDURE_PEER_STREAMS (100): streams of other agents open at a time in one process; the rest is asked for. */
  readonly maxPeerStreams: number;
  /** PERDURE_DELEGATION_DEPTH (8): how often work may be delegated on, from agent to agent. */
  readonly delegationDepth: number;
  /**
   * PERDURE_PUSH_ALLOW (none): hosts, `host:port`s, addresses and networks that webhooks may go to although they are not
   * on the public internet. A name is trusted with whatever address it has.
   */
  readonly pushAllow: readonly AllowedHost[];
  /** PERDURE_PUSH_MAX_CONFIGS (100): most webhooks of one task. */
  readonly maxPushConfigs: number;
  /** PERDURE_PUSH_MAX_URL (2048): most characters in the URL of a webhook. */
  readonly maxPushUrlLength: number;
  /** PERDURE_PUSH_MAX_CREDENTIALS (4096): most characters in the token of a webhook, and in its credentials. */
  readonly maxPushCredentialsLength: number;
  /** PERDURE_PUSH_HTTPS_ONLY (false): webhooks go to https:// alone, also to hosts of PERDURE_PUSH_ALLOW. */
  readonly pushHttpsOnly: boolean;
  /** PERDURE_PUSH_PROXY (none): HTTP proxy, with `http://` or `https://`, that webhooks go through; it resolves the names. */
  readonly pushProxy?: string;
  /** PERDURE_PUSH_CONNECT_TIMEOUT (5s): longest wait for the address of a webhook's host, the connection, and its TLS, each. */
  readonly pushConnectTimeoutMs: number;
  /** PERDURE_PUSH_TIMEOUT (15s): longest time of one attempt, from the look-up of the name to the answer's last byte. */
  readonly pushTimeoutMs: number;
  /** PERDURE_PUSH_MAX_RESPONSE (4kb): most that is read and kept of a webhook's answer. */
  readonly pushResponseBytes: number;
  /** PERDURE_PUSH_MAX_TASK (1mb): largest artifacts of a task, together, that a webhook of an older dialect is sent with it. */
  readonly pushTaskBytes: number;
  /**
   * PERDURE_PUSH_RETRY (0,5s,5m,30m,2h,5h,10h,10h): the pauses before each attempt to deliver an event to a webhook, ±20 %;
   * after as many attempts it is given up.
   */
  readonly pushRetryMs: readonly number[];
  /** PERDURE_PUSH_MAX_RETRY_AFTER (1h): longest pause that a webhook may ask for with 429 or 503 and Retry-After. */
  readonly pushRetryAfterMs: number;
  /** PERDURE_PUSH_CONCURRENCY (256): webhooks that one process sends to at a time. */
  readonly pushConcurrency: number;
  /** PERDURE_PUSH_ENDPOINT_CONCURRENCY (64): the same for one origin of one tenant's webhooks, over all processes. */
  readonly pushEndpointConcurrency: number;
  /** PERDURE_PUSH_TENANT_CONCURRENCY (three quarters of PERDURE_PUSH_CONCURRENCY): the same for one tenant, over all processes. */
  readonly pushTenantConcurrency: number;
  /** PERDURE_PUSH_RATE (0 = any): most attempts a second to one origin of one tenant's webhooks, over all processes. */
  readonly pushRate: number;
  /** PERDURE_PUSH_BREAKER (20): attempts in a row that fail before an origin is left alone, but for one attempt at a time. */
  readonly pushBreaker: number;
  /** PERDURE_PUSH_BREAKER_MAX (5m): longest pause between two such attempts; it is a quarter of the time of failing. */
  readonly pushBreakerMaxMs: number;
  /** PERDURE_PUSH_DISABLE (120h): how long an origin may fail without a success before nothing is sent to it any more. */
  readonly pushDisableMs: number;
  /** PERDURE_PUSH_RETENTION (30d): how long attempts, and deliveries that are done or given up, are kept for operators. */
  readonly pushRetentionMs: number;
  /**
   * PERDURE_CALLBACKS (true): ask agents elsewhere to call this server when they have news of what was delegated to them, where
   * PUBLIC_URL says how they reach it, and there is a secret key.
   */
  readonly takesCallbacks: boolean;
  /** PERDURE_CALLBACK_POLL (5m): longest pause between two looks at what was delegated to an agent that does call. */
  readonly callbackPollMs: number;
  /** PERDURE_MAX_CALLBACK (1mb): largest body of such a call. */
  readonly maxCallbackBytes: number;
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
  /** PERDURE_DATABASE_TIMEOUT (10s): longest wait for Postgres: for a connection, for a statement, for any answer. */
  readonly databaseTimeoutMs: number;
  /** PERDURE_MIGRATION_TIMEOUT (5m): longest wait for another process that migrates, or for tables that others hold. */
  readonly migrationTimeoutMs: number;
  /** PERDURE_LOG_LEVEL (info): trace, debug, info, warn, error, fatal or silent. */
  readonly logLevel: LogLevel;
  /** PERDURE_LOG_FORMAT (pretty on a terminal, else json): lines for people or for machines. */
  readonly logFormat: LogFormat;
}

const ROLES = ['all', 'server', 'worker'] as const;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const LOG_FORMATS = ['pretty', 'json'] as const;

/** What a process does: take calls, run handlers, or both. */
export type Role = (typeof ROLES)[number];

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
/** Node and Postgres hold texts of up to half a gigabyte, and a result is held more than once while it is written. */
const MAX_RESULT_BYTES = 256 * 1024 ** 2;

const MAX_PUSH_ATTEMPTS = 100;

const POSTGRES = ['postgres:', 'postgresql:'];

/** Reads and checks all settings. Throws a {@link ConfigError} that lists every wrong one. */
export function loadConfig(variables: EnvironmentVariables = process.env): Config {
  const env = new Environment(variables);
  const config: Config = {
    ...addresses(env),
    ...execution(env),
    ...limits(env),
    ...connections(env),
    dataDir: resolve(env.text('PERDURE_DATA_DIR', '.perdure')),
    secretKeys: secretKeys(env),
    agentDirs: env.list('PERDURE_AGENTS', [join(packageRoot(), 'examples/agents')]).map((dir) => resolve(dir)),
    poolSize: env.integer('PERDURE_POOL_SIZE', 10, { min: 2, max: 1_000 }),
    databaseTimeoutMs: env.duration('PERDURE_DATABASE_TIMEOUT', '10s', { min: 100, max: 3_600_000 }),
    migrationTimeoutMs: env.duration('PERDURE_MIGRATION_TIMEOUT', '5m', { min: 0 }),
    logLevel: env.choice('PERDURE_LOG_LEVEL', LOG_LEVELS, 'info'),
    logFormat: env.choice('PERDURE_LOG_FORMAT', LOG_FORMATS, process.stdout.isTTY ? 'pretty' : 'json'),
  };
  if (env.problems.length > 0) throw new ConfigError(env.problems);
  return config;
}

function connections(env: Environment) {
  const role = env.choice('PERDURE_ROLE', ROLES, 'all');
  const databaseUrl = env.url('DATABASE_URL', POSTGRES, { secret: true });
  const directDatabaseUrl = env.url('DATABASE_DIRECT_URL', POSTGRES, { secret: true });
  if (env.raw('DATABASE_URL') === undefined) {
    if (role !== 'all')
      env.refuse('DATABASE_URL', '', `the Postgres that all processes share, for the role ${role}`, '');
    if (directDatabaseUrl) env.refuse('DATABASE_URL', '', 'a URL beside DATABASE_DIRECT_URL', '');
  }
  return { role, databaseUrl, directDatabaseUrl, redisUrl: redisUrl(env), redisPrefix: redisPrefix(env) };
}

/** With the number of a database as its path, or without. */
function redisUrl(env: Environment): string | undefined {
  const url = env.url('REDIS_URL', ['redis:', 'rediss:'], { secret: true });
  const isUsable = url === undefined || /^(\/\d{1,5})?$/.test(new URL(url).pathname);
  return isUsable ? url : env.refuse('REDIS_URL', '(hidden)', 'a path that is the number of a database', undefined);
}

function redisPrefix(env: Environment): string {
  const prefix = env.text('PERDURE_REDIS_PREFIX', 'perdure');
  const isUsable = /^[\w.:{}-]{1,100}$/.test(prefix);
  return isUsable ? prefix : env.refuse('PERDURE_REDIS_PREFIX', prefix, 'letters, digits and any of _ . : - { }', '');
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
  const port = env.integer('PORT', 8080, { min: 0, max: 65_535 });
  const publicUrl = env.url('PUBLIC_URL', ['http:', 'https:']);
  return {
    host,
    allowPublic,
    port,
    publicUrl,
    adminApi: env.flag('PERDURE_ADMIN', publicUrl === undefined),
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
  const workerConcurrency = env.integer('PERDURE_WORKER_CONCURRENCY', 100, { min: 1, max: 100_000 });
  return {
    workerConcurrency,
    tenantConcurrency: env.integer('PERDURE_TENANT_CONCURRENCY', workerConcurrency, { min: 1, max: 100_000 }),
    maxBacklog: env.integer('PERDURE_MAX_BACKLOG', 100_000, { min: 1, max: 1_000_000_000 }),
    leaseMs: env.duration('PERDURE_LEASE', '5s', { min: 500, max: 3_600_000 }),
    drainMs: env.duration('PERDURE_DRAIN', '10s', { min: 0, max: TIMER_MAX }),
    shutdownDelayMs: env.duration('PERDURE_SHUTDOWN_DELAY', '0s', { min: 0, max: TIMER_MAX }),
    maxLostWorkers: env.integer('PERDURE_MAX_LOST_WORKERS', 10, { min: 0, max: 1_000_000 }),
    retryAttempts: env.integer('PERDURE_RETRY_ATTEMPTS', 3, { min: 1, max: 1_000 }),
    retryInitialDelayMs: env.duration('PERDURE_RETRY_INITIAL_DELAY', '1s', TIMER),
    retryMaxDelayMs: env.duration('PERDURE_RETRY_MAX_DELAY', '5m', TIMER),
    runTimeoutMs: env.duration('PERDURE_RUN_TIMEOUT', '30m', TIMER),
    blockingTimeoutMs: env.duration('PERDURE_BLOCKING_TIMEOUT', '0', { min: 0, max: TIMER_MAX }),
    idempotencyTtlMs: env.duration('PERDURE_IDEMPOTENCY_TTL', '24h'),
  };
}

function delegation(env: Environment) {
  return {
    peers: origins(env, 'PERDURE_PEERS'),
    peerTimeoutMs: env.duration('PERDURE_PEER_TIMEOUT', '30s', TIMER),
    peerOutageMs: env.duration('PERDURE_PEER_OUTAGE', '24h', { min: 0 }),
    peerResponseBytes: env.size('PERDURE_PEER_MAX_RESPONSE', '10mb', { min: 1024, max: 1024 ** 3 }),
    maxPeerStreams: env.integer('PERDURE_PEER_STREAMS', 100, { min: 0, max: 100_000 }),
    delegationDepth: env.integer('PERDURE_DELEGATION_DEPTH', 8, { min: 0, max: 1_000 }),
    takesCallbacks: env.flag('PERDURE_CALLBACKS', true),
    callbackPollMs: env.duration('PERDURE_CALLBACK_POLL', '5m', { min: 1_000, max: TIMER_MAX }),
    maxCallbackBytes: env.size('PERDURE_MAX_CALLBACK', '1mb', { min: 1024, max: 1024 ** 3 }),
  };
}

function push(env: Environment) {
  return {
    pushAllow: allowedHosts(env, 'PERDURE_PUSH_ALLOW'),
    maxPushConfigs: env.integer('PERDURE_PUSH_MAX_CONFIGS', 100, { min: 1, max: 10_000 }),
    maxPushUrlLength: env.integer('PERDURE_PUSH_MAX_URL', 2_048, { min: 64, max: 65_536 }),
    maxPushCredentialsLength: env.integer('PERDURE_PUSH_MAX_CREDENTIALS', 4_096, { min: 64, max: 65_536 }),
    pushHttpsOnly: env.flag('PERDURE_PUSH_HTTPS_ONLY', false),
    pushProxy: env.url('PERDURE_PUSH_PROXY', ['http:', 'https:'], { secret: true }),
    pushConnectTimeoutMs: env.duration('PERDURE_PUSH_CONNECT_TIMEOUT', '5s', { min: 10, max: 3_600_000 }),
    pushTimeoutMs: env.duration('PERDURE_PUSH_TIMEOUT', '15s', { min: 10, max: 3_600_000 }),
    pushResponseBytes: env.size('PERDURE_PUSH_MAX_RESPONSE', '4kb', { min: 0, max: 1024 ** 2 }),
    pushTaskBytes: env.size('PERDURE_PUSH_MAX_TASK', '1mb', { min: 0, max: 1024 ** 3 }),
  };
}

/** When and how often webhooks are sent to. */
function delivery(env: Environment) {
  const pushConcurrency = env.integer('PERDURE_PUSH_CONCURRENCY', 256, { min: 1, max: 100_000 });
  const mostOfThem = Math.ceil(pushConcurrency * 0.75);
  return {
    pushRetryMs: env.durations('PERDURE_PUSH_RETRY', '0,5s,5m,30m,2h,5h,10h,10h', MAX_PUSH_ATTEMPTS),
    pushRetryAfterMs: env.duration('PERDURE_PUSH_MAX_RETRY_AFTER', '1h', { min: 0 }),
    pushConcurrency,
    pushEndpointConcurrency: env.integer('PERDURE_PUSH_ENDPOINT_CONCURRENCY', 64, { min: 1, max: 100_000 }),
    pushTenantConcurrency: env.integer('PERDURE_PUSH_TENANT_CONCURRENCY', mostOfThem, { min: 1, max: 1_000_000 }),
    pushRate: env.integer('PERDURE_PUSH_RATE', 0, { min: 0, max: 1_000_000 }),
    pushBreaker: env.integer('PERDURE_PUSH_BREAKER', 20, { min: 1, max: 1_000_000 }),
    pushBreakerMaxMs: env.duration('PERDURE_PUSH_BREAKER_MAX', '5m', { min: 100, max: 86_400_000 }),
    pushDisableMs: env.duration('PERDURE_PUSH_DISABLE', '120h'),
    pushRetentionMs: env.duration('PERDURE_PUSH_RETENTION', '30d'),
  };
}

function allowedHosts(env: Environment, variable: string): readonly AllowedHost[] {
  const given = env.list(variable, []);
  const odd = given.find((text) => parseAllowedHost(text) === undefined);
  if (odd !== undefined)
    return env.refuse(variable, odd, 'host, host:port, an address or a network as address/bits', []);
  return given.map(parseAllowedHost).filter((host) => host !== undefined);
}

function origins(env: Environment, variable: string): readonly string[] {
  const given = env.list(variable, []);
  const isOrigin = (text: string) => /^https?:/.test(text) && URL.canParse(text) && `${new URL(text).origin}` === text;
  const odd = given.find((text) => !isOrigin(text));
  return odd === undefined ? given : env.refuse(variable, odd, 'origins such as https://agents.example', []);
}

function limits(env: Environment) {
  return {
    maxBodyBytes: env.size('PERDURE_MAX_BODY', '10mb', { min: 1024, max: 1024 ** 3 }),
    maxPartsPerMessage: env.integer('PERDURE_MAX_PARTS', 1_000, { min: 1 }),
    maxEventsPerTask: env.integer('PERDURE_MAX_EVENTS', 100_000, { min: 10, max: 2 ** 31 - 1 }),
    maxMessageBytes: env.size('PERDURE_MAX_MESSAGE', '10mb', { min: 1024, max: 1024 ** 3 }),
    maxEventBytes: env.size('PERDURE_MAX_EVENT', '1mb', { min: 1024, max: 1024 ** 3 }),
    maxEventsPerSecond: env.integer('PERDURE_MAX_EVENT_RATE', 1_000, { min: 1, max: 1_000_000 }),
    maxArtifactBytes: env.size('PERDURE_MAX_ARTIFACTS', '64mb', { min: 1024, max: 1024 ** 3 }),
    maxResultBytes: env.size('PERDURE_MAX_RESULT', '16mb', { min: 1024, max: MAX_RESULT_BYTES }),
    maxRecordsPerTurn: env.integer('PERDURE_MAX_RECORDS', 10_000, { min: 10, max: 1_000_000 }),
    maxSignalsPerTask: env.integer('PERDURE_MAX_SIGNALS', 10_000, { min: 1, max: 1_000_000 }),
    maxSignalBytes: env.size('PERDURE_MAX_SIGNAL', '256kb', { min: 1024, max: 1024 ** 3 }),
    ...streams(env),
    ...load(env),
    ...delegation(env),
    ...push(env),
    ...delivery(env),
    pageSizeMax: env.integer('PERDURE_PAGE_SIZE_MAX', 100, { min: 1, max: 10_000 }),
  };
}

function streams(env: Environment) {
  const maxStreams = env.integer('PERDURE_MAX_STREAMS', 10_000, { min: 1 });
  return {
    maxStreams,
    // The flood of one tenant leaves some for the others.
    maxTenantStreams: env.integer('PERDURE_MAX_TENANT_STREAMS', Math.ceil(maxStreams * 0.9), { min: 1 }),
    streamBuffer: env.integer('PERDURE_STREAM_BUFFER', 256, { min: 1, max: 1_000_000 }),
    keepAliveMs: env.duration('PERDURE_KEEP_ALIVE', '15s', TIMER),
    streamStallMs: env.duration('PERDURE_STREAM_STALL', '60s', TIMER),
  };
}

/** What one process takes on at a time. */
function load(env: Environment) {
  return {
    maxWaiting: env.integer('PERDURE_MAX_WAITING', 10_000, { min: 1 }),
    maxCalls: env.integer('PERDURE_MAX_CALLS', 2_000, { min: 1 }),
    maxBodiesBytes: env.size('PERDURE_MAX_BODIES', '256mb', { min: 1024, max: 1024 ** 4 }),
    maxLoopDelayMs: env.duration('PERDURE_MAX_LOOP_DELAY', '500ms', TIMER),
    maxHeapPercent: env.integer('PERDURE_MAX_HEAP', 85, { min: 1, max: 100 }),
    maxConnections: env.integer('PERDURE_MAX_CONNECTIONS', 20_000, { min: 1, max: 1_000_000 }),
  };
}
