import { join } from 'node:path';

/** The agents that the rows talk to. */
export const AGENT_FOLDERS = ['../conformance/agents', '../conformance/variants', 'agents'].map((folder) =>
  join(import.meta.dirname, folder),
);
