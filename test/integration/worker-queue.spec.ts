import { expect, it } from 'vitest';
import { type Reaper } from '../../libs/execution/src/reaper.js';
import { type RunQueue } from '../../libs/execution/src/run-queue.js';
import { type WorkerPool } from '../../libs/execution/src/worker-pool.js';
import { artifactTexts, type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { inEachMode } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

inEachMode((mode) => {
  const database = useDatabase();
  const tables = useTables(database);
  const engines = useEngines(database, mode);

  function partsOf({ execution }: Engine): { reaper: Reaper; queue: RunQueue; pool: WorkerPool } {
    return execution as unknown as { reaper: Reaper; queue: RunQueue; pool: WorkerPool };
  }

  /** Takes the process' only slot until the gate is opened; resolves when it is taken. */
  async function occupy(engine: Engine): Promise<Gate> {
    const [running, go] = [new Gate(), new Gate()];
    const occupant = engines.agent({
      run() {
        running.open();
        return go.opened;
      },
    });
    await engine.submit(occupant, 'go');
    await running.opened;
    return go;
  }

  it('carries a task over the queue from a process that runs none, when nobody takes it for a while', async () => {
    const server = await engines.start({ config: { role: 'server' } });
    const engine = await engines.start({ config: { workerConcurrency: 1 } });
    for (const process of [server, engine]) await partsOf(process).reaper.stop();
    const go = await occupy(engine);
    const agent = engines.agent({ run: (task) => `did ${textOf(task.message)}` });
    const texts = ['first', 'second', 'third'];
    const waiting = texts.map((text) => server.send(agent, text));
    await tables.waitFor(async () => {
      expect(await tables.rows('select from perdure.tasks where agent = $1 and lease_token = 0', [agent])).toHaveLength(
        3,
      );
      expect(await tables.rows('select from perdure.outbox')).toEqual([]);
    });
    go.open();
    const answers = await Promise.all(waiting);
    expect(answers.map((task) => textOf(task.status?.message))).toEqual(texts.map((text) => `did ${text}`));
    await tables.waitFor(async () => expect(partsOf(engine).pool.free).toBe(1));
  });

  it('runs what is due past the queue, many at a time, where there are slots', async () => {
    const [front, worker] = [await engines.start({ runs: false }), await engines.start()];
    await partsOf(worker).reaper.stop();
    partsOf(worker).queue.add = () => Promise.reject(new Error('the queue is not asked'));
    const agent = engines.agent({
      async run(task) {
        const text = textOf(task.message);
        await task.artifact({ name: 'notes' }).write(`notes on ${text}`);
        const step = await task.step('do', () => `did ${text}`);
        await task.sleep('50ms');
        return step;
      },
    });
    // A run may still have its slot for a moment when the next one of its task begins: there are enough for both.
    const tasks = await Promise.all(Array.from({ length: 45 }, (_, i) => front.submit(agent, String(i))));
    for (const [i, { id }] of tasks.entries()) {
      await tables.until(id!, 'COMPLETED');
      // What was read for many at once has come to the one it is for; the last state has all artifacts with it.
      const task = await front.get(agent, id!);
      expect([artifactTexts(task), textOf(task.status?.message)]).toEqual([[`notes on ${i}`], `did ${i}`]);
    }
    expect(await tables.rows('select from perdure.outbox')).toEqual([]);
    await tables.waitFor(async () => expect(partsOf(worker).pool.free).toBe(100));
    expect(worker.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('claims nothing for a job whose task has ended, and drops it', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    const { id } = await engine.send(agent, 'go');
    await tables.rows(`insert into perdure.outbox (tenant_id, task_id, run_at) select 'acme', $1, now()`, [id]);
    await tables.waitFor(async () => expect(await tables.rows('select from perdure.outbox')).toEqual([]));
    expect(await tables.task(id!)).toMatchObject({ lease_token: '1', state: 3 });
    await tables.waitFor(async () => expect(partsOf(engine).pool.free).toBe(100));
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
    const [front, worker] = [
      await engines.start({ config: { role: 'server' } }),
      await engines.start({ config: { workerConcurrency: 1 } }),
    ];
    const go = await occupy(worker);
    const { queue } = partsOf(front);
    const add = queue.add.bind(queue);
    let refused = 0;
    queue.add = () => {
      refused++;
      return Promise.reject(new Error('the queue is away'));
    };
    const agent = engines.agent({ run: () => 'Done' });
    const { id } = await front.submit(agent, 'go');
    await tables.waitFor(async () => expect(refused).toBeGreaterThan(0));
    expect(await tables.rows('select from perdure.outbox where task_id = $1', [id])).toHaveLength(1);
    go.open();
    await tables.until(id!, 'COMPLETED');
    queue.add = add;
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
    await tables.waitFor(async () => expect(partsOf(worker).pool.free).toBe(100));
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
});
