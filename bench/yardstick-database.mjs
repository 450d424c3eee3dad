import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Brings an empty database to the schema of the SDK's store, with the SDK's own command. */
export async function migrateYardstick(databaseUrl) {
  const command = fileURLToPath(new URL('cli/a2a_db.js', import.meta.resolve('@a2a-js/sdk')));
  await promisify(execFile)(process.execPath, [command, 'upgrade', '--url', databaseUrl]);
}
