import { Command } from 'commander';
import { createLogger, loadConfig, startEmbeddedPostgres } from '#platform';
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
        if (config.databaseUrl !== undefined) return migrate(config.databaseUrl);
        const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, logger: createLogger(config) });
        await migrate(postgres.url).finally(() => postgres.stop());
      }, config);
      terminal.line('The database has the newest schema.');
    });
}
