import {
  closePool,
  type Config,
  createLogger,
  createPool,
  joinEmbeddedPostgres,
  type Logger,
  Signals,
} from '#platform';
import { Database, migrate } from '#store';
import { starting } from './start-error.js';

/** The database that the operator's settings name, and the signals of those who run on it. */
export interface OperatorDatabase {
  readonly database: Database;
  readonly signals: Signals;
}

/**
 * Does work on the database of DATABASE_URL, or on the embedded one, the running server's where there is one, brought to the
 * newest schema. Signals are out when it resolves.
 */
export async function withDatabase<T>(config: Config, work: (tools: OperatorDatabase) => Promise<T>): Promise<T> {
  const logger = createLogger({ ...config, logLevel: 'silent' });
  return starting(async () => {
    const embedded = config.databaseUrl === undefined ? await joinEmbeddedPostgres({ ...config, logger }) : undefined;
    const url = config.databaseUrl ?? embedded?.url ?? '';
    try {
      await migrate(config.directDatabaseUrl ?? url, { timeoutMs: config.migrationTimeoutMs });
      return await withConnections(url, { ...config, logger }, work);
    } finally {
      await embedded?.stop();
    }
  }, config);
}

async function withConnections<T>(
  url: string,
  config: Config & { readonly logger: Logger },
  work: (tools: OperatorDatabase) => Promise<T>,
): Promise<T> {
  const { logger } = config;
  const sharesSessions = config.directDatabaseUrl !== undefined;
  const pool = createPool(url, { max: 2, applicationName: 'perdure-cli', sharesSessions, logger });
  const signals = Signals.over(url, config, logger);
  try {
    await signals.start();
    return await work({ database: new Database(pool), signals });
  } finally {
    await signals.stop();
    await closePool(pool);
  }
}
