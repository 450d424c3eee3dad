import { randomBytes } from 'node:crypto';
import { describe, it } from 'vitest';
import { useProtocolServer } from '../support/protocol-client-server.js';
import { AGENT_FOLDERS } from './agent-folders.js';
import { expectAlike } from './expect-alike.js';
import { TABLE } from './table.js';

// Without a secret key a server has no webhooks.
const server = useProtocolServer(AGENT_FOLDERS, { secretKeys: [randomBytes(32)] });

describe.concurrent.each(Object.entries(TABLE))('%s', (_topic, rows) => {
  for (const row of rows) it.concurrent(row.name, () => expectAlike(row, server.client));
});
