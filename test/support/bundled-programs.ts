import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { packageRoot } from '#platform';

/** What the tests start most often as processes of their own, by the name of its bundle. */
const PROGRAMS = {
  main: 'dist/apps/cli/src/main.js',
  worker: 'test/support/worker-process.mjs',
  postgres: 'test/support/embedded-postgres-process.ts',
};
/** Packages that look for files or packages beside their own. */
const ON_THEIR_OWN = ['jiti', 'msgpackr-extract', 'node-pg-migrate', 'thread-stream'];

/**
 * Writes each of the programs with all that it imports into a few files: `main.js` is the built command line. A server that
 * loads 2,000 files from dist and node_modules is busy for two seconds before it does anything. Returns the folder, for this
 * run alone; it is inside of the package, from where the bundle finds the gRPC thread of dist, the migrations, and what is
 * left out of it.
 *
 * Each module is there once, as in the product, and agents are given the bundle's own module for `perdure`, so that
 * `instanceof` and symbols hold between them and the server. Specs that are about what is shipped start that: see `PERDURE`.
 */
export async function bundlePrograms(): Promise<string> {
  const root = packageRoot();
  const caches = join(root, 'node_modules/.cache');
  mkdirSync(caches, { recursive: true });
  const folder = mkdtempSync(join(caches, 'perdure-test-'));
  const input = Object.fromEntries(Object.entries(PROGRAMS).map(([name, file]) => [name, join(root, file)]));
  const bundle = await rolldown({ input, platform: 'node', external: ON_THEIR_OWN, logLevel: 'silent' });
  await bundle.write({ dir: folder, format: 'esm' });
  await bundle.close();
  return folder;
}
