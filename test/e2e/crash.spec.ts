import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type TaskJson } from '#protocol';
import { EXAMPLE_AGENTS, TEST_AGENTS } from '../support/agent-folders.js';
import { messageOf } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { inEachMode } from '../support/modes.js';
import { PERDURE } from '../support/perdure-process.js';
import { createDatabase, dropDatabase } from '../support/postgres.js';
import { type ServerProcess, useServerProcesses } from '../support/server-process.js';
import { type EventStream, stateOf, type StreamEvent, upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const CSV_REPORT = join(EXAMPLE_AGENTS, 'csv-report');
const AGENTS = [CSV_REPORT, TEST_AGENTS];
const LEASE_MS = 1_000;
const ENDED = new Set(['TASK_STATE_COMPLETED', 'TASK_STATE_FAILED', 'TASK_STATE_REJECTED']);
const PATIENCE = { timeout: 20_000, interval: 50 };
const csv = readFileSync(join(CSV_REPORT, 'sales.csv'), 'utf8');
const folder = temporaryFolder();

function settled(server: ServerProcess, agent: string, id: string): Promise<TaskJson> {
  return vi.waitFor(async () => {
    const task = await server.rpc(agent).get(id);
    if (!ENDED.has(task.status!.state!)) throw new Error('not at its end');
    return task;
  }, PATIENCE);
}

function textsOf({ artifacts = [] }: TaskJson): string[] {
  return artifacts.map(({ parts = [] }) => parts.map(({ text }) => text).join(''));
}

function ids(events: readonly StreamEvent[]): number[] {
  return events.map(({ id }) => id);
}

/** Reads what a stream still gives, up to the break of its connection. */
async function readToTheBreak(stream: EventStream): Promise<void> {
  await expect(stream.all()).rejects.toThrow();
}

describe('a server that is killed with kill -9 and started again on its embedded Postgres', () => {
  const dataDir = join(folder, 'data');
  const ledger = new Ledger(join(folder, 'restart'));
  const once = { headers: { 'idempotency-key': 'order-1' } };
  const keyed = messageOf(ledger.message(3));
  const startServer = useServerProcesses('postgres', PERDURE);
  const start = () => startServer({ agents: AGENTS, dataDir, env: { PERDURE_LEASE: `${LEASE_MS}ms` } });
  let server: ServerProcess;
  let undisturbed: TaskJson;
  let report: EventStream;
  let reportId: string;
  let ledgerId: string;
  let cut: Error;

  beforeAll(async () => {
    server = await start();
    undisturbed = await server.rpc('csv-report').send(csv);
    report = await server.rpc('csv-report').stream(csv, { metadata: { delayMs: 250 } });
    reportId = (await report.next())!.response.task!.id!;

    const blocking = server.rpc('ledger').send(keyed, {}, once);
    const broken = blocking.then(
      () => new Error('the killed server answered'),
      (error: Error) => error,
    );
    ledger.open(1);
    await ledger.reached(2);
    ledgerId = (await server.rpc('ledger').call('ListTasks')).tasks![0]!.id!;

    await report.until(({ response }) => words(response).startsWith('Column 3'));
    await server.kill();
    await readToTheBreak(report);
    cut = await broken;
    server = await start();
  });

  function words({ statusUpdate }: StreamEvent['response']): string {
    return statusUpdate?.status?.message?.parts?.[0]?.text ?? '';
  }

  it('goes on with the task by itself and comes to the result of an undisturbed run', async () => {
    const task = await settled(server, 'csv-report', reportId);
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(textsOf(task)).toEqual(textsOf(undisturbed));
    expect(textsOf(task)[0]).toMatch(/^# Report on your data\n(.|\n)+## price/);
  });

  it('gives a subscriber that comes back every event once', async () => {
    const before = report.events;
    expect(ids(before)).toEqual(upTo(before.length));
    const resumed = await server.rpc('csv-report').subscribe(reportId, report.lastId);
    const events = [...before, ...(await resumed.all())];
    expect(ids(events)).toEqual(upTo(events.length));
    expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');
    // The steps that were done are not done, nor told of, again.
    const told = events.map(({ response }) => words(response)).filter((text) => text.startsWith('Column'));
    expect(told).toEqual(upTo(5).map((n) => `Column ${n} of 5`));
    // And the whole log reads the same from its beginning.
    expect(await (await server.rpc('csv-report').subscribe(reportId, 0)).all()).toEqual(events);
  });

  it('repeats no step that was done', async () => {
    expect(cut.message).not.toContain('answered');
    expect(ledger.lines).toEqual(['step 1 in attempt 1']);
    ledger.open(3);
    const task = await settled(server, 'ledger', ledgerId);
    expect(ledger.lines).toEqual(upTo(3).map((step) => `step ${step} in attempt 1`));
    expect(textsOf(task)).toEqual(['1;2;3;']);
  });

  it('answers a blocking call that was cut off, sent again with its Idempotency-Key, with the same task', async () => {
    ledger.open(3);
    const task = await server.rpc('ledger').send(keyed, {}, once);
    expect(task).toMatchObject({ id: ledgerId, status: { state: 'TASK_STATE_COMPLETED' } });
    expect((await server.rpc('ledger').call('ListTasks')).totalSize).toBe(1);
  });
});

inEachMode((mode) => {
  describe('of two servers on one database', () => {
    const startServer = useServerProcesses(mode);
    let databaseUrl: string;
    let first: ServerProcess;
    let second: ServerProcess;
    beforeAll(async () => {
      databaseUrl = await createDatabase();
      second = await start();
    });
    beforeEach(async () => {
      first = await start();
    });
    afterAll(async () => {
      await second.kill();
      await dropDatabase(databaseUrl);
    });

    function start(): Promise<ServerProcess> {
      return startServer({ agents: AGENTS, databaseUrl, env: { PERDURE_LEASE: `${LEASE_MS}ms` } });
    }

    it('the second takes over what the first was running when it was killed, and nobody misses an event', async () => {
      const ledger = new Ledger(join(folder, `takeover-${mode}`));
      const { id } = await first.rpc('ledger').start(ledger.message(2));
      const watching = await second.rpc('ledger').subscribe(id!, 0);
      ledger.open(1);
      await ledger.reached(2, first.pid);

      await first.kill();
      const killedAt = performance.now();
      await ledger.reached(2, second.pid);
      // The lease, the queue's second of grace, the reaper's half second, and a loaded machine.
      expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + 7_000);
      ledger.open(2);

      const events = await watching.all();
      expect(ids(events)).toEqual(upTo(events.length));
      expect(stateOf(events.at(-1)!)).toBe('TASK_STATE_COMPLETED');
      expect(ledger.lines).toEqual(['step 1 in attempt 1', 'step 2 in attempt 1']);
      expect(textsOf(await second.rpc('ledger').get(id!))).toEqual(['1;2;']);
    });

    it('the second finishes every task that the first had accepted before it was killed', async () => {
      const accepted: string[] = [];
      const client = first.rpc('csv-report');
      const expected = textsOf(await second.rpc('csv-report').send(csv));
      // Calls that are cut off may or may not have been accepted; those with an answer were.
      const calls = upTo(60).map(async () => {
        const task = await client.start(csv, { metadata: { delayMs: 50 } });
        accepted.push(task.id!);
        if (accepted.length === 40) first.signal('SIGKILL');
      });
      await Promise.allSettled(calls);
      await first.ended;
      expect(accepted.length).toBeGreaterThanOrEqual(40);

      for (const id of accepted) {
        const task = await settled(second, 'csv-report', id);
        expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
        expect(textsOf(task)).toEqual(expected);
      }
      await expectGaplessLogs(databaseUrl);
    });
  });
});

/** Every log on the database counts 1, 2, 3 … to what its task says, and has one end. */
async function expectGaplessLogs(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(
    `select t.id, t.last_sequence, array_agg(e.sequence order by e.sequence) as sequences,
       count(*) filter (where e.event like '%TASK_STATE_COMPLETED%')::int as ends
     from perdure.tasks t join perdure.task_events e on e.tenant_id = t.tenant_id and e.task_id = t.id
     group by t.tenant_id, t.id`,
  );
  await client.end();
  for (const { last_sequence, sequences, ends } of rows) {
    expect({ sequences, ends }).toEqual({ sequences: upTo(last_sequence), ends: 1 });
  }
}
