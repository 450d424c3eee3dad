export { AddressGuard, isLocalhost, LOCALHOST, targetOf } from './address-guard.js';
export { type Target } from './allow-list.js';
export { CONFIG, type Config, ConfigError, loadConfig, type LogFormat, type LogLevel, type Role } from './config.js';
export { parseDuration } from './duration.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  joinEmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded-postgres.js';
export { type ConfigProblem, type EnvironmentVariables } from './environment.js';
export { headerValueProblem, isHttpToken } from './header-value.js';
export { JobQueue, type JobWork, type NewJob } from './job-queue.js';
export { UnansweredError, watchLine } from './line-watch.js';
export { createLogger, LOGGER, type Logger } from './logger.js';
export { Loop } from './loop.js';
export { packageRoot, packageVersion } from './package-root.js';
export { closePool, connectionOptions, createPool, type PoolOptions } from './postgres.js';
export { type ChangedKeys } from './signal-batch.js';
export { ProcessLoad } from './process-load.js';
export { migrateQueue, openQueueConnection, type QueueConnection } from './queue-connection.js';
export { assertReady, RedisUnavailableError } from './redis.js';
export { hasSecrets, openSecrets, SecretError, Secrets } from './secrets.js';
export { Signals, type SignalListener } from './signals.js';
export { parseSize } from './size.js';
export { type TlsFiles } from './tls-files.js';
export { newWebhookSecret, webhookSecretBytes, webhookSecretPlace } from './webhook-secret.js';
