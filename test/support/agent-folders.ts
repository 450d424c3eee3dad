import { join } from 'node:path';
import { inject } from 'vitest';
import { packageRoot } from '#platform';

/** The agents that come with the package. */
export const EXAMPLE_AGENTS = join(packageRoot(), 'examples/agents');

/** The one of them that says what it is told: for servers that need no other, and are ready sooner. */
export const ECHO_AGENT = join(EXAMPLE_AGENTS, 'echo');

/** Agents that exist to be tested with: obedient ones with gates, and rogues. */
export const TEST_AGENTS = compiled('agents');

/** Agents for operators, for several processes, for peers elsewhere; and the one that takes its task through all there is. */
export const [OPERATED_AGENTS, REPLICATED_AGENTS, DISTANT_AGENTS, VOYAGE_AGENTS] = [
  compiled('operated'),
  compiled('replicated'),
  compiled('distant'),
  compiled('voyage'),
];

/** Where the run has put a folder of test/support as JavaScript. */
function compiled(folder: string): string {
  return join(inject('compiledAgents'), folder);
}
