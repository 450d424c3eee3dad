import { join } from 'node:path';
import { packageRoot } from '#platform';

/** The agents that come with the package. */
export const EXAMPLE_AGENTS = join(packageRoot(), 'examples/agents');

/** Agents that exist to be tested with: obedient ones with gates, and rogues. */
export const TEST_AGENTS = join(packageRoot(), 'test/support/agents');
