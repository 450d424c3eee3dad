import { randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fetchAnswer } from '../support/json-rpc.js';
import { DISTANT_AGENTS, OPERATED_AGENTS, REPLICATED_AGENTS, TEST_AGENTS } from '../support/agent-folders.js';
import { Ledger } from '../support/ledger.js';
import { inEachMode, modeVariables } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { BINDINGS, type ProtocolClient, type ProtocolEvent, stateOf } from '../support/protocol-client.js';
import { protocolClient } from '../support/protocol-client-server.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { upTo } from '../support/sse-client.js';
import { useTables } from '../support/task-tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const PATIENCE = { timeout: 20_000, interval: 20 };
const folder = temporaryFolder();
const SHARED = [TEST_AGENTS, OPERATED_AGENTS, REPLICATED_AGENTS];

inEachMode((mode) => {
  const database = useDatabase();
  const tables = useTables(database);
  const startProcess = useServerProcesses();
  /** Takes calls and runs tasks; takes calls only; runs tasks only. Nobody is told anything by a lease that is renewed. */
  let [both, server, worker]: ServerProcess[] = [];
  const clients: ProtocolClient[] = [];

  const common = { PERDURE_LEASE: '60s', PERDURE_SECRET_KEY: randomBytes(32).toString('base64') };
  const start = (role: string, agents: readonly string[], env: Record<string, string> = {}) =>
    startProcess({
      agents,
      databaseUrl: database.url,
      env: { PERDURE_ROLE: role, ...common, ...modeVariables(mode, database.url), ...env },
    });

  beforeAll(async () => {
    [both, server, worker] = await Promise.all([
      start('all', SHARED),
      start('server', [...SHARED, DISTANT_AGENTS]),
      start('worker', SHARED, { PUBLIC_URL: 'http://a2a.example' }),
    ]);
  });
  afterAll(() => clients.forEach((client) => client.close()));

  async function client(binding: (typeof BINDINGS)[number], process: ServerProcess, agent: string) {
    clients.push(await protocolClient(binding, process.url, agent));
    return clients.at(-1)!;
  }

  function ledgerOf(name: string): Ledger {
    return new Ledger(join(folder, `${name}-${mode}`));
  }

  describe('a stream', () => {
    it('of a task is the same through any process and binding, while it runs and when it is over', async () => {
      const author = await both!.rpc('burst').stream({ data: { chunks: 120, rest: 4 } });
      const { id } = (await author.next())!.response.task!;
      const watched = [both!, server!].flatMap((process) => BINDINGS.map((binding) => [binding, process] as const));
      const streams = await Promise.all(
        watched.map(async ([binding, process]) => {
          const watcher = await client(binding, process, 'burst');
          const stream = await watcher.open('SubscribeToTask', { id: id! }, { parameters: { 'last-event-id': '0' } });
          return stream.all();
        }),
      );
      const own = await author.all();
      expect(own.map((event) => event.id)).toEqual(upTo(124));
      for (const events of streams) expect(events).toEqual(streams[0]);
      expect(streams[0]!.map(({ sequence }) => sequence)).toEqual(upTo(124));

      const [here, there] = await Promise.all([replayed(both!, id!), replayed(server!, id!)]);
      expect(there).toBe(here);
      const live = own.map((event) => `id: ${event.id}\ndata: ${JSON.stringify(answer(event.response))}\n\n`).join('');
      expect(here).toBe(live);
    });

    it('that a process begins for a task which others run has what theirs has', async () => {
      const begun = await server!.rpc('burst').stream({ data: { chunks: 60 } });
      const { id } = (await begun.next())!.response.task!;
      const seen = await begun.all();
      const text = seen.map((event) => `id: ${event.id}\ndata: ${JSON.stringify(answer(event.response))}\n\n`).join('');
      expect(await replayed(both!, id!)).toBe(text);
    });

    it('goes on at another process after any event, over SSE and gRPC, without a loss or a double', async () => {
      const author = await server!.rpc('burst').stream({ data: { chunks: 200, rest: 2 } });
      const { id } = (await author.next())!.response.task!;
      const nomads = await Promise.all(
        BINDINGS.map(async (binding) =>
          wander(id!, [await client(binding, both!, 'burst'), await client(binding, server!, 'burst')]),
        ),
      );
      const own = await author.all();
      for (const events of nomads) {
        expect(events.map(({ sequence }) => sequence)).toEqual(own.map((event) => event.id));
        expect(events).toEqual(nomads[0]);
      }
    });
  });

  /** Reads a task to its end, a few events at each process in turn. */
  async function wander(id: string, places: readonly ProtocolClient[]): Promise<ProtocolEvent[]> {
    const events: ProtocolEvent[] = [];
    for (let stop = 0; ; stop++) {
      const parameters = { 'last-event-id': String(events.at(-1)?.sequence ?? 0) };
      const stream = await places[stop % places.length]!.open('SubscribeToTask', { id }, { parameters });
      for (let stay = 1 + ((stop * 7) % 23); stay > 0; stay--) {
        const event = await stream.next();
        if (event) events.push(event);
        if (!event || stateOf(event) === 'TASK_STATE_COMPLETED') return events;
      }
      stream.close();
    }
  }

  describe('a call at one process', () => {
    it('waits for the end of a task that others run', async () => {
      const ledger = ledgerOf('blocking');
      const sent = server!.rpc('ledger').send(ledger.message(1));
      await ledger.reached(1);
      ledger.open(1);
      expect(await sent).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
    });

    it('cancels a task that another runs, whose handler hears of it within a second', async () => {
      const delays: number[] = [];
      for (let i = 0; i < 5; i++) {
        const ledger = ledgerOf(`cancel-${i}`);
        const { id } = await server!.rpc('witness').start(ledger.message(1));
        await ledger.reached(1);
        await server!.rpc('witness').call('CancelTask', { id });
        const answeredAt = Date.now();
        await vi.waitFor(() => expect(ledger.lines[0]).toContain(id), PATIENCE);
        const [, heardAt] = ledger.lines[0]!.split(' ');
        delays.push(Number(heardAt) - answeredAt);
      }
      // The promise is a time; one pause of a busy machine is none of it.
      expect(delays.sort((a, b) => a - b)[2]).toBeLessThan(1_000);
    });

    it('under an idempotency key that another has seen means the same task', async () => {
      const options = { headers: { 'idempotency-key': randomUUID() } };
      const message = { messageId: 'm', role: 'ROLE_USER' as const, parts: [{ data: { chunks: 1 } }] };
      const at = (process: ServerProcess) => process.rpc('burst').send(message, {}, options);
      const tasks = [...(await Promise.all([at(both!), at(server!), at(both!), at(server!)])), await at(server!)];
      expect(new Set(tasks.map(({ id }) => id)).size).toBe(1);
      const other = { ...message, parts: [{ data: { chunks: 2 } }] };
      await expect(server!.rpc('burst').send(other, {}, options)).rejects.toThrow(/key/i);
    });
  });

  describe('an operator at one process', () => {
    const act = async (action: string, id: string, fields: object = {}) => {
      const body = JSON.stringify({ ids: [id], ...fields });
      const headers = { 'content-type': 'application/json' };
      const { json } = await fetchAnswer(`${server!.url}/admin/v1/tasks/${action}`, { method: 'POST', headers, body });
      return (json as { results: { outcome: string; text: string }[] }).results[0]!;
    };
    const done = { outcome: 'done' };

    it('redrives, resets and signals a task that others run', async () => {
      const file = join(folder, `${mode}.wait`);
      const { id, status } = await server!.rpc('mendable').send(file);
      expect(status?.state).toBe('TASK_STATE_FAILED');
      writeFileSync(file, '');
      const waits = () => tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ listens: true }));
      expect(await act('redrive', id!)).toMatchObject(done);
      await waits();
      expect(await act('reset', id!, { to: 'send' })).toMatchObject(done);
      await waits();
      expect(await act('signal', id!, { name: 'paid', value: 7 })).toMatchObject(done);
      await tables.until(id!, 'COMPLETED');
    });

    it('brings the next attempt of a task forward', async () => {
      const { id } = await server!.rpc('stumbler').start('Go');
      await tables.waitFor(async () =>
        expect(await tables.task(id!)).toMatchObject({ attempt: 1, lease_owner: null, run_at: expect.any(Date) }),
      );
      expect(await act('retry', id!)).toMatchObject(done);
      await tables.until(id!, 'COMPLETED');
    });
  });

  it('delegations make one task each, though several processes follow them', async () => {
    const peers = [...Array<string>(10).fill('burst'), ...Array<string>(5).fill(`${server!.url}/agents/burst`)];
    const errands = peers.map((peer) =>
      server!.rpc('errand').send({ data: { peer, errand: { chunks: 2, size: 77 } } }),
    );
    for (const { status } of await Promise.all(errands)) expect(status?.state).toBe('TASK_STATE_COMPLETED');
    const made = await tables.rows(
      `select from perdure.task_messages where input = 1 and (message::jsonb #>> '{parts,0,data,size}') = '77'`,
    );
    expect(made).toHaveLength(peers.length);
    expect(await tables.rows('select from perdure.task_delegations')).toHaveLength(peers.length);
  });

  it('nobody has had anything to complain of', () => {
    const complaints = [both!, server!, worker!].flatMap(({ log }) => log.filter(({ level }) => level !== 'info'));
    // The two agents whose tasks failed on purpose.
    expect(complaints.filter(({ msg }) => msg !== 'run.failed')).toEqual([]);
  });

  // Over Postgres the line of the signals falls with the database.
  if (mode === 'postgres') return;

  it('a worker that no signal reaches learns of a cancel when it renews its lease', async () => {
    const env = { REDIS_URL: 'redis://127.0.0.1:9', PERDURE_LEASE: '3s' };
    await start('worker', [DISTANT_AGENTS], env);
    const ledger = ledgerOf('outpost');
    const { id } = await server!.rpc('outpost').start(ledger.message(1));
    await ledger.reached(1);
    await server!.rpc('outpost').call('CancelTask', { id });
    await vi.waitFor(() => expect(ledger.lines[0]).toContain(id), PATIENCE);
  });
});

/** All events of a task that has ended, as a process writes them. */
async function replayed(process: ServerProcess, id: string): Promise<string> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id } });
  const headers = { 'content-type': 'application/json', 'a2a-version': '1.0', 'last-event-id': '0' };
  const response = await fetch(`${process.url}/agents/burst`, { method: 'POST', headers, body });
  return response.text();
}

function answer(result: object): object {
  return { jsonrpc: '2.0', id: 1, result };
}
