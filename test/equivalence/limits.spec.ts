import { expect, it } from 'vitest';
import { ProtocolError } from '../support/protocol-client.js';
import { useProtocolServer } from '../support/protocol-client-server.js';
import { AGENT_FOLDERS } from './agent-folders.js';
import { expectAlike } from './expect-alike.js';
import { calls, type Row, send, sending } from './row.js';

const server = useProtocolServer(AGENT_FOLDERS, { maxStreams: 1, maxPartsPerMessage: 2 });

/** What a server with narrow limits refuses. */
const ROWS: readonly Row[] = [
  {
    name: 'a stream over the limit is RESOURCE_EXHAUSTED with advice when to come back, until another one is closed',
    run: async (client) => {
      const { id } = await send(client, 'tck-input-required');
      const subscribe = () => client.open('SubscribeToTask', { id });
      const first = await subscribe();
      const refused = await subscribe().catch((error: unknown) => error);
      first.close();
      await expect.poll(() => subscribe().then((stream) => stream.close()), { timeout: 10_000 }).toBeUndefined();
      // The room of the last one comes back as well, before the next binding wants it.
      await expect.poll(() => client.open('SubscribeToTask', { id: 'x' }).catch(reasonOf)).toBe('TASK_NOT_FOUND');
      const { status, retryDelay } = refused as ProtocolError;
      return { status, retryDelay };
    },
    expected: { status: 'RESOURCE_EXHAUSTED', retryDelay: '1s' },
  },
  {
    name: 'a message of too many parts is refused, and the refusal says how many there may be',
    run: calls('SendMessage', sending([{ text: 'a' }, { text: 'b' }, { text: 'c' }])),
    expected: {
      error: {
        status: 'INVALID_ARGUMENT',
        violations: [{ field: 'message.parts', description: 'has 3 parts; the limit is 2' }],
      },
    },
  },
];

it.each(ROWS)('$name', (row) => expectAlike(row, server.client));

function reasonOf(error: unknown): unknown {
  return error instanceof ProtocolError ? error.reason : error;
}
