import { join } from 'node:path';
import { packageRoot } from '#platform';

/** The command line under test: the built one, or another that is named, such as the bundled one of the tests. */
export const PERDURE = process.env.CHAOS_PROGRAM ?? join(packageRoot(), 'dist/apps/cli/src/main.js');
