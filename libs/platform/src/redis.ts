import { isIP } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { type Logger } from './logger.js';

/** Redis is away: nothing was done, or nobody knows. */
export class RedisUnavailableError extends Error {
  override readonly name = 'RedisUnavailableError';
}

/** What a connection to Redis needs beside its URL. */
export interface RedisConnectionOptions {
  /** The name that `CLIENT LIST` shows. */
  readonly name: string;
  /**
   * What becomes of a command while Redis is away: `refused` at once, and after 2 s without an answer; or it is `held` until
   * Redis is back.
   */
  readonly whileAway: 'refused' | 'held';
  /** Told when the connection is lost, and when it is back; not of each attempt. */
  readonly logger: Logger;
}

const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 2_000;
/** Longer than any command that waits for something to come. */
const SILENCE_MS = 5_000;
const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 1_000;

/**
 * A connection to Redis or Valkey that never ends the process: it begins to connect, and connects again whenever it is lost. One that falls
 * silent is cut after 5 s.
 */
export function openRedis(url: string, { name, whileAway, logger }: RedisConnectionOptions): Redis {
  const refuses = whileAway === 'refused';
  const redis = new Redis(url, {
    ...tls(url),
    connectionName: name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy: (attempt) => Math.min(RECONNECT_FIRST_MS * 2 ** (attempt - 1), RECONNECT_MAX_MS),
    maxRetriesPerRequest: null,
    ...(refuses && { enableOfflineQueue: false, autoResendUnfulfilledCommands: false }),
    commandTimeout: refuses ? COMMAND_TIMEOUT_MS : undefined,
  });
  reportLoss(redis, name, logger);
  return redis;
}

/** Throws a {@link RedisUnavailableError} unless commands go out now. */
export function assertReady(redis: Redis): void {
  if (redis.status !== 'ready') throw new RedisUnavailableError('Redis is not connected');
}

/** The name that the certificate has to be for, also told to a proxy that serves many. */
function tls(url: string): RedisOptions {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'rediss:') return {};
  return { tls: isIP(hostname.replace(/^\[|\]$/g, '')) ? {} : { servername: hostname } };
}

function reportLoss(redis: Redis, name: string, logger: Logger): void {
  let isLost = false;
  const lose = (err?: Error) => {
    if (!isLost) logger.warn({ err, connection: name }, 'redis.connection_lost');
    isLost = true;
  };
  redis.on('error', lose);
  redis.on('reconnecting', () => lose());
  redis.on('ready', () => {
    if (isLost) logger.info({ connection: name }, 'redis.connected');
    isLost = false;
  });
}
