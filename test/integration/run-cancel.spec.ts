import { expect, it } from 'vitest';
import { type Caller, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
/** A run that is not told learns of its end when its lease is renewed: after 20 seconds. */
const SLOW_LEASE = { leaseMs: 60_000 };
const AT_ONCE_MS = 10_000;

it('stops a run at once, and refuses whatever it does later', async () => {
  const engine = await engines.start({ config: SLOW_LEASE });
  const [running, late] = [new Gate(), new Gate<unknown[]>()];
  let aborted = 0;
  const agent = engines.agent({
    async run(task) {
      const artifact = task.artifact({ name: 'a' });
      await artifact.append('in time');
      running.open();
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      aborted = performance.now();
      const calls: Promise<unknown>[] = [
        task.status('late'),
        artifact.append('late'),
        task.step('late', () => 1),
        task.requestInput('late'),
      ];
      late.open(await Promise.allSettled(calls));
      return 'late';
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  await tables.waitFor(async () => expect(await tables.events(id!)).toHaveLength(3));
  const asked = performance.now();
  const canceled = await engine.cancel(agent, id!);
  expect(canceled.status?.state).toBe('TASK_STATE_CANCELED');
  expect(await late.opened).toEqual(Array(4).fill(expect.objectContaining({ status: 'rejected' })));
  expect(aborted - asked).toBeLessThan(AT_ONCE_MS);
  expect(await engine.get(agent, id!)).toEqual(canceled);
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'CANCELED']);
  expect(JSON.stringify(await tables.events(id!))).not.toContain('late');
});

it('stops a run on another process at once', async () => {
  const [runner, front] = [await engines.start({ config: SLOW_LEASE }), await engines.start({ runs: false })];
  const [running, aborted] = [new Gate(), new Gate()];
  const agent = engines.agent({
    async run(task) {
      running.open();
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
      aborted.open();
    },
  });
  const { id } = await runner.submit(agent, 'go');
  await running.opened;
  const asked = performance.now();
  await front.cancel(agent, id!);
  await aborted.opened;
  expect(performance.now() - asked).toBeLessThan(AT_ONCE_MS);
});

it('stays as it is when the handler returns after it', async () => {
  const engine = await engines.start();
  const [running, go] = [new Gate(), new Gate()];
  const agent = engines.agent({
    async run() {
      running.open();
      await go.opened;
      return 'Done';
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  await engine.cancel(agent, id!);
  go.open();
  await engine.stop();
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'CANCELED']);
  expect(await tables.task(id!)).toMatchObject({ state: 5, lease_owner: null, run_at: null });
});

it('ends a task one way only when it races with the end of the run', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: async (task) => void (await task.status('x')) });
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const { id } = await engine.submit(agent, 'go');
      const canceled = await engine.cancel(agent, id!).then(
        () => true,
        (error) => {
          expect(error).toMatchObject({ reason: 'TASK_NOT_CANCELABLE' });
          return false;
        },
      );
      return { id: id!, canceled };
    }),
  );
  for (const { id, canceled } of outcomes) {
    const states = await tables.states(id);
    expect(states.filter((state) => /CANCELED|COMPLETED/.test(state))).toEqual([canceled ? 'CANCELED' : 'COMPLETED']);
  }
});

it('may be asked for twice: the second changes nothing', async () => {
  const engine = await engines.start();
  let cleanUps = 0;
  const cleaned = new Gate();
  const agent = engines.agent({
    run: async (task) => void (await task.requestInput('?')),
    onCancel: () => {
      cleanUps++;
      cleaned.open();
    },
  });
  const { id } = await engine.send(agent, 'go');
  const first = await engine.cancel(agent, id!);
  await cleaned.opened;
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ run_at: null, lease_owner: null }));
  const before = await tables.task(id!);
  const [second, third] = await Promise.all([engine.cancel(agent, id!), engine.cancel(agent, id!)]);
  expect([second, third]).toEqual([first, first]);
  expect(await tables.task(id!)).toEqual(before);
  expect(cleanUps).toBe(1);
});

it('cleans up outside with onCancel, whether the task worked or waited', async () => {
  const engine = await engines.start();
  const running = new Gate();
  const seen: unknown[] = [];
  const agent = engines.agent({
    async run(task) {
      if (textOf(task.message) === 'ask') await task.requestInput('Which?');
      running.open();
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
    },
    onCancel: (task) =>
      void seen.push([task.id, textOf(task.message), task.history.length, task.tenant, task.principal]),
  });
  const [working, asked] = [await engine.submit(agent, 'work'), await engine.send(agent, 'ask')];
  await running.opened;
  await Promise.all([engine.cancel(agent, working.id!), engine.cancel(agent, asked.id!)]);
  await tables.waitFor(async () => expect(seen).toHaveLength(2));
  expect(seen).toContainEqual([working.id, 'work', 1, 'acme', 'alice']);
  expect(seen).toContainEqual([asked.id, 'ask', 1, 'acme', 'alice']);
});

it('retries an onCancel that throws, up to the agent’s attempts, and leaves the task as it is', async () => {
  const engine = await engines.start();
  let cleanUps = 0;
  const agent = engines.agent({
    retry: { attempts: 3, initialDelayMs: 1, maxDelayMs: 1 },
    run: async (task) => void (await task.requestInput('?')),
    onCancel: () => {
      cleanUps++;
      throw new Error('the machine does not stop');
    },
  });
  const { id } = await engine.send(agent, 'go');
  const canceled = await engine.cancel(agent, id!);
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ run_at: null, lease_owner: null }));
  expect(cleanUps).toBe(3);
  expect(await engine.get(agent, id!)).toEqual(canceled);
  expect(engine.log.filter(({ msg }) => msg === 'cancel.clean_up_failed')).toHaveLength(3);
});

it('gives onCancel nothing to change the task with', async () => {
  const engine = await engines.start();
  const keys = new Gate<string[]>();
  const agent = engines.agent({
    run: async (task) => void (await task.requestInput('?')),
    async onCancel(task) {
      const all: string[] = [];
      for (const key in task) all.push(key);
      keys.open(all);
      await (task as unknown as { status(text: string): Promise<void> }).status('I am back');
    },
  });
  const { id } = await engine.send(agent, 'go');
  await engine.cancel(agent, id!);
  const data = [
    'contextId',
    'extensions',
    'history',
    'id',
    'log',
    'message',
    'metadata',
    'principal',
    'signal',
    'tenant',
  ];
  expect(data).toEqual(expect.arrayContaining(await keys.opened));
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ run_at: null, lease_owner: null }));
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'INPUT_REQUIRED', 'CANCELED']);
});

it('tells blocking callers and streams of the task at once', async () => {
  const engine = await engines.start();
  const running = new Gate();
  const agent = engines.agent({
    async run(task) {
      running.open();
      await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
    },
  });
  const blocking = engine.send(agent, 'go');
  await running.opened;
  const id = await tables.idOf(agent);
  const events: unknown[] = [];
  const streaming = (async () => {
    for await (const { task, statusUpdate } of engine.subscribe(agent, id))
      events.push((task ?? statusUpdate)?.status?.state);
  })();
  await tables.waitFor(async () => expect(events).toHaveLength(1));
  await engine.cancel(agent, id);
  expect((await blocking).status?.state).toBe('TASK_STATE_CANCELED');
  await streaming;
  expect(events.at(-1)).toBe('TASK_STATE_CANCELED');
});

it('refuses to cancel what has ended, is not there, or is not the caller’s', async () => {
  const engine = await engines.start();
  const [agent, other] = [engines.agent({ run: () => 'Done' }), engines.agent({ run: () => 'Done' })];
  const { id } = await engine.send(agent, 'go');
  const refusal = (name: string, task: string, caller?: Caller) =>
    engine.cancel(name, task, caller).then(String, (error) => error.reason);
  expect(await refusal(agent, id!)).toBe('TASK_NOT_CANCELABLE');
  expect(await refusal(other, id!)).toBe('TASK_NOT_FOUND');
  expect(await refusal(agent, id!, { tenant: 'other' })).toBe('TASK_NOT_FOUND');
  expect(await refusal(agent, '00000000-0000-7000-8000-000000000000')).toBe('TASK_NOT_FOUND');
  expect(await refusal(agent, 'nonsense')).toBe('TASK_NOT_FOUND');
});

it('is not undone by a signal to stop that comes late, when the clean-up is under way', async () => {
  const engine = await engines.start();
  const [cleaning, go, done] = [new Gate(), new Gate(), new Gate()];
  let aborted = false;
  const agent = engines.agent({
    run: async (task) => void (await task.requestInput('?')),
    async onCancel(task) {
      task.signal.addEventListener('abort', () => (aborted = true));
      cleaning.open();
      await go.opened;
      done.open();
    },
  });
  const { id } = await engine.send(agent, 'go');
  await engine.cancel(agent, id!);
  await cleaning.opened;
  engine.tasks.signals.publish('aborts', `acme/${id}`);
  // Whoever asks the database for leases after the signal is answered after it.
  await engine.tasks.store.leases.renew(engine.tasks.store.db, [{ tenantId: 'acme', taskId: id!, token: 0 }], 1);
  go.open();
  await done.opened;
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ run_at: null, lease_owner: null }));
  expect(aborted).toBe(false);
  expect(await tables.task(id!)).toMatchObject({ lost: 0 });
});
