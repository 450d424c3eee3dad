import { Command } from 'commander';
import { type Config, createLogger, loadConfig, migrateQueue, startEmbeddedPostgres } from '#platform';
import { migrate } from '#store';
import { starting } from '../start-error.js';
import { type Terminal } from '../terminal.js';

/** `perdure migrate`: brings the database to the newest schema. */
export function migrateCommand(terminal: Terminal): Command {
  return new Command('migrate')
    .summary('bring the database to the newest schema')
    .description('Brings the database of DATABASE_URL, or the embedded one, to the newest schema.')
    .addHelpText('after', '\nExit codes: 0 the schema is the newest; 1 the database cannot be used.')
    .action(async () => {
      const config = await starting(async () => loadConfig());
      await starting(async () => {
        const databaseUrl = config.directDatabaseUrl ?? config.databaseUrl;
        if (databaseUrl !== undefined) return migrateAll(databaseUrl, config);
        const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, logger: createLogger(config) });
        await migrateAll(postgres.url, config).finally(() => postgres.stop());
      }, config);
      terminal.line('The database has the newest schema.');
    });
}

/** The queue's tables too, also where a Redis has the queue now: it may not always. */
async function migrateAll(databaseUrl: string, { migrationTimeoutMs }: Config): Promise<void> {
  await migrate(databaseUrl, { timeoutMs: migrationTimeoutMs });
  await migrateQueue(databaseUrl);
}
