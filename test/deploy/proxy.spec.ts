import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Role as MessageRole } from '#protocol';
import { ECHO_AGENT, TEST_AGENTS } from '../support/agent-folders.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { freePort } from '../support/free-port.js';
import { GrpcClient } from '../support/grpc-client.js';
import { HaProxy, type ServerPorts } from '../support/haproxy.js';
import { fetchAnswer, JsonRpcClient } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { useDatabase } from '../support/postgres.js';
import { findProgram } from '../support/program.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { type EventStream, stateOf, upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const haproxy = findProgram('haproxy', 'the proxy of docker-compose.yml before two servers and two workers');
const folder = temporaryFolder();
const database = useDatabase();
const startServer = useServerProcesses();
const PATIENCE = { timeout: 20_000, interval: 50 };

describe.skipIf(haproxy === undefined)('two servers and two workers behind the proxy', () => {
  let ports: [ServerPorts, ServerPorts];
  let servers: [ServerProcess, ServerProcess];
  let proxy: HaProxy;
  let path: DatabaseProxy;
  let grpc: GrpcClient;

  beforeAll(async () => {
    path = await DatabaseProxy.start(database.url);
    ports = [await somePorts(), await somePorts()];
    const workers = Promise.all([startRole('worker'), startRole('worker')]);
    servers = await Promise.all([startRole('server', ports[0]), startRole('server', ports[1])]);
    await workers;
    proxy = await HaProxy.start(haproxy!, ports);
    grpc = new GrpcClient(proxy.grpc);
  });
  afterAll(async () => {
    grpc?.close();
    await proxy?.stop();
    await path?.close();
  });

  async function somePorts(): Promise<ServerPorts> {
    return { http: await freePort(), grpc: await freePort() };
  }

  function startRole(role: 'server' | 'worker', at?: ServerPorts): Promise<ServerProcess> {
    const addresses = at && { PORT: String(at.http), GRPC_PORT: String(at.grpc) };
    const env = { PERDURE_ROLE: role, PERDURE_SHUTDOWN_DELAY: '3s', PERDURE_DRAIN: '2s', ...addresses };
    const databaseUrl = role === 'server' ? path.url : database.url;
    return startServer({ agents: [TEST_AGENTS, ECHO_AGENT], databaseUrl, env });
  }

  const rpc = (agent: string) => new JsonRpcClient(`${proxy.url}/agents/${agent}`);
  const ledger = (name: string) => new Ledger(join(folder, name));

  async function sendOverGrpc(): Promise<void> {
    const parts = [{ content: { case: 'text' as const, value: 'Hello' } }];
    const message = { messageId: randomUUID(), role: MessageRole.USER, parts };
    const answer = await grpc.call('sendMessage', { message, tenant: '/echo' });
    expect(answer.message.payload.case).toBe('task');
  }

  async function sendOverJsonRpc(): Promise<void> {
    expect(await rpc('echo').send('Hello')).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
  }

  /** Sends from several callers over both wires until told to stop; resolves with what became of the calls. */
  async function sendUntil(stop: AbortSignal): Promise<{ sent: number; failures: unknown[] }> {
    const result = { sent: 0, failures: [] as unknown[] };
    const caller = async (send: () => Promise<void>) => {
      for (; !stop.aborted; result.sent++) await send().catch((error: unknown) => result.failures.push(error));
    };
    await Promise.all([caller(sendOverGrpc), caller(sendOverJsonRpc), caller(sendOverGrpc), caller(sendOverJsonRpc)]);
    return result;
  }

  it('passes events on as they come, and no request of an operator’s', async () => {
    const book = ledger('unbuffered');
    const stream = await rpc('ledger').stream(book.message(1));
    await stream.until(({ response }) => JSON.stringify(response).includes('Step 1 of 1'));
    book.open(1);
    const seen = await stream.all();
    expect(seen.map(({ id }) => id)).toEqual(upTo(seen.at(-1)!.id));
    for (const admin of ['/admin/v1/tasks', '/admin', '/%61dmin/v1/tasks']) {
      const { statusCode } = await statusOf(`${proxy.url}${admin}`);
      expect([403, 404]).toContain(statusCode);
    }
  });

  it('goes on with streams and calls when a server is killed', async () => {
    const book = ledger('killed');
    const streams = await Promise.all(upTo(4).map(() => rpc('ledger').stream(book.message(2))));
    const cut = streams.map((stream) =>
      stream.all().then(
        () => false,
        () => true,
      ),
    );
    await book.reached(1);
    await proxy.logs(/Server http\/server-2 is UP/, async () => {
      await servers[1].kill();
      for (let i = 0; i < 10; i++) await Promise.all([sendOverGrpc(), sendOverJsonRpc()]);
      book.open(2);
      // The proxy has spread the streams.
      expect(new Set(await Promise.all(cut))).toEqual(new Set([true, false]));
      for (const stream of streams) await expectWhole(stream);
      servers[1] = await startRole('server', ports[1]);
    });
  });

  /** Follows what is left of a stream's task, and wants every event of it once. */
  async function expectWhole(stream: EventStream): Promise<void> {
    const id = stream.events[0]!.response.task!.id!;
    const isOver = stateOf(stream.events.at(-1)!) === 'TASK_STATE_COMPLETED';
    const rest = isOver ? [] : await (await rpc('ledger').subscribe(id, stream.lastId)).all();
    const events = isOver ? stream.events : [...stream.events, ...rest];
    expect(events.map((event) => event.id)).toEqual(upTo(events.at(-1)!.id));
    expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');
  }

  it('lets a server be replaced without one failed call', async () => {
    const stop = new AbortController();
    const sending = sendUntil(stop.signal);
    await proxy.logs(/Server http\/server-1 is UP/, async () => {
      servers[0].signal('SIGTERM');
      expect(await servers[0].ended).toBe(0);
      servers[0] = await startRole('server', ports[0]);
    });
    stop.abort();
    const { sent, failures } = await sending;
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(20);
  });

  it('has the servers’ own refusal, with advice, for callers while none is ready', async () => {
    await proxy.logs(/backend http has no server available/, () => path.refuse(true));
    await expect(sendOverJsonRpc()).rejects.toMatchObject({ name: 'RpcError', status: 503, code: -32000 });
    await expect(sendOverGrpc()).rejects.toMatchObject({ name: 'GrpcError', code: 14 });
    expect((await fetchAnswer(`${proxy.url}/agents/echo/.well-known/agent-card.json`)).status).toBe(200);
    path.refuse(false);
    await vi.waitFor(sendOverJsonRpc, PATIENCE);
    await vi.waitFor(sendOverGrpc, PATIENCE);
  });
});

async function statusOf(url: string): Promise<{ statusCode: number }> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return { statusCode: response.status };
}
