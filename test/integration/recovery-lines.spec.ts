import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Reaper } from '../../libs/execution/src/reaper.js';
import { type RunQueue } from '../../libs/execution/src/run-queue.js';
import { type WorkerPool } from '../../libs/execution/src/worker-pool.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { type Engine, type EngineOptions, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const TIMEOUT_MS = 800;
const UNAVAILABLE = { reason: 'UNAVAILABLE', retryAfterMs: 1_000 };
let proxy: DatabaseProxy;

beforeEach(async () => {
  proxy = await DatabaseProxy.start(database.url);
});
afterEach(async () => {
  await proxy.close().catch(() => undefined);
});

/** An engine behind the proxy, which gives a silent connection up after less than a second. */
function start(options: EngineOptions = {}): Promise<Engine> {
  return engines.start({ url: proxy.url, ...options, config: { databaseTimeoutMs: TIMEOUT_MS, ...options.config } });
}

function messages({ log }: Engine): string[] {
  return log.map(({ msg }) => msg);
}

it('accepts and runs tasks again soon after the committer’s connection fell silent', async () => {
  const engine = await start();
  const agent = engines.agent({ run: (task) => task.step('s', () => 'Done') });
  proxy.silence('perdure committer');
  const tasks = await Promise.all(Array.from({ length: 5 }, () => engine.send(agent, 'go')));
  expect(tasks.map((task) => textOf(task.status?.message))).toEqual(Array(5).fill('Done'));
  await tables.expectSound();
});

it('replaces a committer’s connection that fell silent while nobody wrote', async () => {
  await start();
  const [first] = await tables.backends('perdure committer');
  proxy.silence('perdure committer');
  await tables.waitFor(async () => {
    const pids = (await tables.backends('perdure committer')).map(({ pid }) => pid);
    expect(pids).toHaveLength(1);
    expect(pids).not.toContain(first!.pid);
  });
});

it('tells callers to try again while the pool’s connections are silent, and serves them from new ones', async () => {
  const engine = await start({ runs: false });
  const agent = engines.agent({ run: () => undefined });
  const { id } = await engine.submit(agent, 'go');
  await Promise.all([1, 2, 3].map(() => engine.get(agent, id!)));
  expect(proxy.count('perdure')).toBeGreaterThanOrEqual(3);
  proxy.silence('perdure');
  await expect(engine.get(agent, id!)).rejects.toMatchObject(UNAVAILABLE);
  await tables.waitFor(() => engine.get(agent, id!));
});

it('frees a row that a transaction held whose connection fell silent', async () => {
  const engine = await start({ runs: false });
  const agent = engines.agent({ run: () => undefined });
  const { id } = await engine.submit(agent, 'go');
  const { store } = engine.tasks;
  const locked = new Gate();
  const transaction = store.database.transaction(async (tx) => {
    await store.tasks.lock(tx, { tenantId: 'acme', taskId: id! });
    proxy.silence('perdure');
    locked.open();
    await store.tasks.lock(tx, { tenantId: 'acme', taskId: id! });
  });
  const outcome = expect(transaction).rejects.toMatchObject(UNAVAILABLE);
  await locked.opened;
  // Another process wants the row, and gets it.
  const other = await engines.start({ runs: false });
  expect((await other.cancel(agent, id!)).status?.state).toBe('TASK_STATE_CANCELED');
  await outcome;
});

it('listens again when its connection for signals fell silent', async () => {
  const [listener, other] = [await start({ runs: false }), await engines.start({ runs: false })];
  proxy.silence('perdure-signals');
  await tables.waitFor(async () => expect(messages(listener)).toContain('signals.reconnected'));
  const heard = new Gate<unknown>();
  listener.tasks.signals.subscribe('topic', heard.open);
  other.tasks.signals.publish('topic', 'key');
  expect(await heard.opened).toEqual(new Set(['key']));
});

it('takes jobs from the queue again when all of the queue’s connections fell silent', async () => {
  const worker = await start();
  await (worker.execution as unknown as { reaper: Reaper }).reaper.stop();
  const front = await engines.start({ runs: false });
  const agent = engines.agent({ run: () => 'Done' });
  await front.send(agent, 'before');
  // The one that listens is silent by itself; nobody else would notice.
  proxy.silence('perdure queue');
  await tables.waitFor(async () => expect(messages(worker)).toContain('postgres.connection_lost'));
  const tasks = await Promise.all([1, 2, 3].map((n) => front.send(agent, `after ${n}`)));
  expect(tasks.map((task) => textOf(task.status?.message))).toEqual(Array(3).fill('Done'));
});

it('takes jobs from the queue again when Postgres has ended all of its connections, again and again', async () => {
  const worker = await start();
  await (worker.execution as unknown as { reaper: Reaper }).reaper.stop();
  const front = await engines.start({ runs: false });
  const agent = engines.agent({ run: () => 'Done' });
  for (let round = 1; round <= 3; round++) {
    await tables.terminate('perdure queue');
    await tables.terminate('perdure');
    expect(textOf((await front.send(agent, `round ${round}`)).status?.message)).toBe('Done');
  }
});

it('reaches the queue though its first connection to it was lost, and does everything else meanwhile', async () => {
  const engine = await start();
  proxy.refuse(true);
  await tables.waitFor(async () => expect(messages(engine)).toContain('queue.worker_error'));
  proxy.refuse(false);
  const { queue, pool } = engine.execution as unknown as { queue: RunQueue; pool: WorkerPool };
  const taken = new Gate<unknown>();
  pool.claimAndRun = async (key) => taken.open(key);
  const job = { tenantId: 'acme', taskId: randomUUID() };
  await tables.waitFor(() => queue.add([{ ...job, id: 1 } as never]));
  expect(await taken.opened).toMatchObject(job);
});

it('keeps the leases of its runs when the connections for leases fall silent', async () => {
  const engine = await start({ config: { leaseMs: 3_000, databaseTimeoutMs: TIMEOUT_MS } });
  const go = new Gate();
  const agent = engines.agent({ run: () => go.opened });
  const { id } = await engine.submit(agent, 'go');
  const renewed = async (times: number) => {
    const { run_at: from } = await tables.task(id!);
    const until = from!.getTime() + times * 1_000;
    await tables.waitFor(async () => expect((await tables.task(id!)).run_at!.getTime()).toBeGreaterThan(until));
  };
  await renewed(0);
  expect(proxy.count('perdure leases')).toBeGreaterThan(0);
  proxy.silence('perdure leases');
  await renewed(2);
  go.open();
  await tables.until(id!, 'COMPLETED');
  expect(await tables.task(id!)).toMatchObject({ lease_token: '1', lost: 0 });
  expect(messages(engine)).toContain('lease.renewal_failed');
});
