import { expect, it } from 'vitest';
import { type Reaper } from '../../libs/execution/src/reaper.js';
import { type RunQueue } from '../../libs/execution/src/run-queue.js';
import { type WorkerPool } from '../../libs/execution/src/worker-pool.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

function partsOf({ execution }: Engine): { reaper: Reaper; queue: RunQueue; pool: WorkerPool } {
  return execution as unknown as { reaper: Reaper; queue: RunQueue; pool: WorkerPool };
}

it('carries a task over the queue when every slot is taken', async () => {
  const engine = await engines.start({ config: { workerConcurrency: 1 } });
  await partsOf(engine).reaper.stop();
  const [running, go] = [new Gate(), new Gate()];
  const agent = engines.agent({
    async run(task) {
      if (textOf(task.message) === 'first') {
        running.open();
        await go.opened;
      }
      return `did ${textOf(task.message)}`;
    },
  });
  const first = engine.send(agent, 'first');
  await running.opened;
  const waiting = ['second', 'third', 'fourth'].map((text) => engine.send(agent, text));
  await tables.waitFor(async () => {
    const [row] = await tables.rows<{ n: number }>(
      'select count(*)::int as n from perdure.tasks where agent = $1 and lease_token = 0',
      [agent],
    );
    expect(row!.n).toBe(3);
  });
  go.open();
  const answers = await Promise.all([first, ...waiting]);
  expect(answers.map((task) => textOf(task.status?.message))).toEqual(
    ['first', 'second', 'third', 'fourth'].map((text) => `did ${text}`),
  );
  await tables.waitFor(async () => expect(await tables.rows('select from perdure.outbox')).toEqual([]));
  expect(partsOf(engine).pool.free).toBe(1);
});

it('carries a task from a process that runs none to one that does', async () => {
  const [front, worker] = [await engines.start({ runs: false }), await engines.start()];
  await partsOf(worker).reaper.stop();
  const agent = engines.agent({ run: async (task) => textOf(await task.requestInput('Who?')) });
  const asked = await front.send(agent, 'hi');
  const done = await front.send(agent, { taskId: asked.id, parts: [{ text: 'Ada' }] });
  expect(textOf(done.status?.message)).toBe('Ada');
});

it('runs every task without the queue: it may be lost with all its jobs', async () => {
  const [front, worker] = [await engines.start({ runs: false }), await engines.start()];
  const { queue } = partsOf(worker);
  await queue.pause();
  const agent = engines.agent({
    retry: { attempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
    run: (task) => {
      if (task.attempt === 1) throw new Error('again');
      return 'Done';
    },
  });
  const tasks = await Promise.all(Array.from({ length: 5 }, () => front.submit(agent, 'go')));
  await Promise.all(tasks.map(({ id }) => tables.until(id!, 'COMPLETED')));
});

it('keeps jobs in the outbox that the queue does not take, and runs their tasks', async () => {
  const [front, worker] = [await engines.start({ runs: false }), await engines.start()];
  const { queue } = partsOf(worker);
  const add = queue.add.bind(queue);
  let refused = 0;
  queue.add = () => {
    refused++;
    return Promise.reject(new Error('the queue is away'));
  };
  const agent = engines.agent({ run: () => 'Done' });
  const { id } = await front.submit(agent, 'go');
  await tables.until(id!, 'COMPLETED');
  expect(refused).toBeGreaterThan(0);
  expect(await tables.rows('select from perdure.outbox where task_id = $1', [id])).toHaveLength(1);
  queue.add = add;
  // The job comes late, and finds nothing to run.
  await tables.waitFor(async () => expect(await tables.rows('select from perdure.outbox')).toEqual([]));
  await front.send(agent, 'what comes later');
  expect(await tables.task(id!)).toMatchObject({ lease_token: '1', lost: 0 });
});

it('runs a task once whose job was published many times', async () => {
  const [front, worker] = [await engines.start({ runs: false }), await engines.start()];
  let runs = 0;
  const agent = engines.agent({ run: () => `run ${++runs}` });
  const { id } = await front.submit(agent, 'go');
  await tables.rows(
    `insert into perdure.outbox (tenant_id, task_id, run_at) select 'acme', $1, now() from generate_series(1, 20)`,
    [id],
  );
  await tables.until(id!, 'COMPLETED');
  await tables.waitFor(async () => expect(await tables.rows('select from perdure.outbox')).toEqual([]));
  const marker = engines.agent({ run: () => 'Done' });
  // What is taken after all these has seen them taken.
  await front.send(marker, 'go');
  expect(runs).toBe(1);
  expect(partsOf(worker).pool.free).toBe(100);
});

it('runs no more of an agent at once than it allows, and lets others pass', async () => {
  const engine = await engines.start();
  const go = new Gate();
  let [atOnce, most] = [0, 0];
  const narrow = engines.agent({
    concurrency: 2,
    async run() {
      most = Math.max(most, ++atOnce);
      await go.opened;
      atOnce--;
    },
  });
  const other = engines.agent({ run: () => 'Done' });
  const tasks = await Promise.all(Array.from({ length: 8 }, () => engine.submit(narrow, 'go')));
  expect(textOf((await engine.send(other, 'go')).status?.message)).toBe('Done');
  expect(atOnce).toBe(2);
  go.open();
  await Promise.all(tasks.map(({ id }) => tables.until(id!, 'COMPLETED')));
  expect(most).toBe(2);
});

it('gives every slot back, however a run or its acceptance ends', async () => {
  const engine = await engines.start({ config: { workerConcurrency: 7 } });
  const agent = engines.agent({
    retry: { attempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
    timeoutMs: 100,
    async run(task) {
      const text = textOf(task.message);
      if (text === 'throw') throw new Error('no');
      if (text === 'ask') await task.requestInput('?');
      if (text === 'hang') await new Promise(() => undefined);
    },
  });
  const caller = { idempotencyKey: 'k' };
  const sends = ['return', 'throw', 'ask', 'hang'].flatMap((text) => [
    engine.send(agent, text),
    engine.send(agent, text),
  ]);
  const duplicates = Array.from({ length: 6 }, () => engine.send(agent, 'return', { caller }));
  const refused = [engine.send(agent, { taskId: crypto.randomUUID() }), engine.send(agent, { role: 'ROLE_AGENT' })];
  const settled = await Promise.allSettled([...sends, ...duplicates, ...refused]);
  expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(2);
  await tables.waitFor(async () => expect(partsOf(engine).pool.free).toBe(7));
});
