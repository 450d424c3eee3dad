import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, it, vi } from 'vitest';
import { loadConfig } from '#platform';
import { BINDINGS } from '../support/protocol-client.js';
import { useProtocolServer } from '../support/protocol-client-server.js';
import { type Place, type World } from './case.js';
import { CASES } from './cases.js';

// Read when an agent's pause begins, in which a client comes back that has lost its stream.
beforeAll(() => void vi.stubEnv('TCK_STREAMING_TIMEOUT', '1'));

// With a secret key the server signs its cards, and tells webhooks, which are on this machine here.
const server = useProtocolServer([join(import.meta.dirname, 'agents'), join(import.meta.dirname, 'variants')], {
  secretKeys: [randomBytes(32)],
  pushAllow: loadConfig({ PERDURE_PUSH_ALLOW: 'localhost' }).pushAllow,
});

function worldAt(place: Place): World {
  const at = (agent: string) => server.client(place === 'CARD' ? 'JSONRPC' : place, agent);
  return { url: server.url, client: at('conformance'), at };
}

describe.concurrent.each(Object.entries(CASES))('%s', (_topic, cases) => {
  for (const { name, over = BINDINGS, run } of cases) {
    describe(name, () => {
      it.concurrent.each(over)('over %s', (place) => run(worldAt(place)));
    });
  }
});
