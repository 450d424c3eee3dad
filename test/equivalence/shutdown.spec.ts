import { expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { startServer } from '../../apps/server/src/server.js';
import { useDatabase } from '../support/postgres.js';
import {
  BINDINGS,
  type ProtocolClient,
  type ProtocolError,
  type ProtocolStream,
  stateOf,
} from '../support/protocol-client.js';
import { protocolClient } from '../support/protocol-client-server.js';
import { AGENT_FOLDERS } from './agent-folders.js';
import { send } from './row.js';

const database = useDatabase();

it('a stream that the end of its server cuts off says nothing of an end of the task; gRPC says UNAVAILABLE', async () => {
  const server = await startServer({
    ...loadConfig({ PORT: '0', GRPC_PORT: '0' }),
    databaseUrl: database.url,
    agentDirs: AGENT_FOLDERS,
    logLevel: 'silent',
  });
  const clients = await Promise.all(BINDINGS.map((binding) => protocolClient(binding, server.url, 'conformance')));
  const streams = await Promise.all(clients.map((client) => waitingStream(client)));
  const ends = streams.map((stream) => stream.all().catch((error: ProtocolError) => error.portable));
  await server.stop();
  const [jsonRpc, httpJson, grpc] = await Promise.all(ends);
  for (const client of clients) client.close();
  expect([jsonRpc, httpJson]).toEqual([streams[0]!.events, streams[1]!.events]);
  expect(grpc).toMatchObject({ status: 'UNAVAILABLE', retryDelay: '1s' });
  for (const { events } of streams) expect(events.map(stateOf)).toEqual(['TASK_STATE_INPUT_REQUIRED']);
});

/** A subscription to a task that waits, its first event read. */
async function waitingStream(client: ProtocolClient): Promise<ProtocolStream> {
  const { id } = await send(client, 'tck-input-required');
  const stream = await client.open('SubscribeToTask', { id });
  await stream.next();
  return stream;
}
