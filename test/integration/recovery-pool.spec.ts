import { expect, it, onTestFinished } from 'vitest';
import { DatabaseProxy } from '../support/database-proxy.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const POOL_SIZE = 2;
const UNAVAILABLE = { reason: 'UNAVAILABLE', retryAfterMs: 1_000 };

/** Takes every connection of the engine's pool and does not give it back until the returned function is called. */
async function exhaust({ tasks }: Engine): Promise<() => Promise<unknown>> {
  const [stuck, ...taken] = [new Gate(), ...Array.from({ length: POOL_SIZE }, () => new Gate())];
  const transactions = taken.map(({ open }) =>
    tasks.store.database.transaction(async () => {
      open();
      await stuck.opened;
    }),
  );
  const ended = Promise.allSettled(transactions);
  await Promise.all(taken.map(({ opened }) => opened));
  return () => {
    stuck.open();
    return ended;
  };
}

it('answers within its time when the whole pool is stuck, and committer and leases live on', async () => {
  const config = { poolSize: POOL_SIZE, databaseTimeoutMs: 800, leaseMs: 1_200 };
  const engine = await engines.start({ config });
  const go = new Gate();
  const long = engines.agent({ run: () => go.opened });
  const short = engines.agent({ run: (task) => task.step('s', () => 'Done') });
  const { id } = await engine.submit(long, 'go');
  const { run_at: lease } = await tables.task(id!);
  const release = await exhaust(engine);

  const asked = performance.now();
  await expect(engine.get(long, id!)).rejects.toMatchObject(UNAVAILABLE);
  await expect(engine.cancel(long, id!)).rejects.toMatchObject(UNAVAILABLE);
  expect(performance.now() - asked).toBeLessThan(5_000);
  const done = await engine.send(short, 'go');
  expect(textOf(done.status?.message)).toBe('Done');
  // Two leases later.
  const later = lease!.getTime() + 2 * config.leaseMs;
  await tables.waitFor(async () => expect((await tables.task(id!)).run_at!.getTime()).toBeGreaterThan(later));

  await release();
  expect((await engine.get(long, id!)).status?.state).toBe('TASK_STATE_WORKING');
  go.open();
  await tables.until(id!, 'COMPLETED');
  expect(await tables.task(id!)).toMatchObject({ lease_token: '1', lost: 0, attempt: 0 });
});

it('counts no failure of the handler’s when the database fails one of its calls', async () => {
  const engine = await engines.start({ config: { poolSize: POOL_SIZE, databaseTimeoutMs: 800, leaseMs: 2_000 } });
  const [running, go] = [new Gate(), new Gate()];
  const agent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      await task.step('once', () => 'first');
      running.open();
      await go.opened;
      // It asks the database for the time.
      await task.sleep(1);
      return `attempt ${task.attempt}`;
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  const release = await exhaust(engine);
  go.open();
  await tables.waitFor(async () => expect(engine.log.map(({ msg }) => msg)).toContain('run.interrupted'));
  await release();
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(agent, id!)).status?.message)).toBe('attempt 1');
  expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 0 });
});

it('gives a run back as soon as the database is there again, however long its lease is', async () => {
  const proxy = await DatabaseProxy.start(database.url);
  onTestFinished(() => proxy.close());
  const engine = await engines.start({ url: proxy.url, config: { leaseMs: 60_000 } });
  const [running, go] = [new Gate(), new Gate()];
  const agent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      await task.step('once', () => 'first');
      running.open();
      await go.opened;
      await task.now();
      return `attempt ${task.attempt}`;
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  proxy.refuse(true);
  go.open();
  await tables.waitFor(async () => expect(engine.log.map(({ msg }) => msg)).toContain('run.interrupted'));
  // The way to give it back is refused at least once.
  await engine.tasks.store.leaseDb.query('select').catch(() => proxy.refuse(false));
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(agent, id!)).status?.message)).toBe('attempt 1');
  expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 0 });
});
