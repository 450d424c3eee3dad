import { once } from 'node:events';
// The files, not `#platform`: it is started often, and loads no more than it needs.
import { startEmbeddedPostgres } from '../../libs/platform/src/embedded-postgres.js';
import { createLogger } from '../../libs/platform/src/logger.js';

/*
 * A process that runs an embedded Postgres on the folder of its first argument, as the user of its second: it writes the
 * URL to stdout once it is there, and stops it when stdin ends. Like a server that drains, it does not end by Ctrl-C.
 */
const [dataDir, uid] = process.argv.slice(2);
if (uid) {
  process.setgroups!([]);
  process.setgid!(Number(uid));
  process.setuid!(Number(uid));
}
process.on('SIGINT', () => undefined);
const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
const postgres = await startEmbeddedPostgres({ dataDir: dataDir!, logger, settings: { fsync: 'off' } });
process.stdout.write(`${postgres.url}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await postgres.stop();
