export { CONFIG, type Config, ConfigError, loadConfig, type LogFormat, type LogLevel, type Role } from './config.js';
export { parseDuration } from './duration.js';
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  joinEmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded-postgres.js';
export { type ConfigProblem, type EnvironmentVariables } from './environment.js';
export { UnansweredError, watchLine } from './line-watch.js';
export { createLogger, LOGGER, type Logger } from './logger.js';
export { packageRoot, packageVersion } from './package-root.js';
export { closePool, connectionOptions, createPool, type PoolOptions } from './postgres.js';
export { type ChangedKeys } from './signal-batch.js';
export { ProcessLoad } from './process-load.js';
export { migrateQueue, openQueueConnection, type QueueConnection } from './queue-connection.js';
export { assertReady, RedisUnavailableError } from './redis.js';
export { openSecrets, SecretError, Secrets } from './secrets.js';
export { Signals, type SignalListener } from './signals.js';
export { parseSize } from './size.js';
export { type TlsFiles } from './tls-files.js';
