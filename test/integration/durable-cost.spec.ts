import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { type ActiveRuns } from '../../libs/execution/src/active-runs.js';
import { textOf, useEngines } from '../support/engine.js';
import { forever } from '../support/gate.js';
import { asleep } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('keeps nothing in memory of tasks that sleep', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const engine = await engines.start();
  const contexts: WeakRef<object>[] = [];
  const agent = engines.agent({
    async run(task) {
      contexts.push(new WeakRef(task));
      const ballast = Buffer.alloc(100_000, task.id);
      task.signal.addEventListener('abort', () => ballast.fill(0));
      if (textOf(task.message) === 'warm up') return task.sleep(1);
      await Promise.all([
        task.all([(branch) => branch.sleep('1h'), (branch) => branch.sleep('30m').then(() => ballast)]),
        // What else the handler waits for goes with it.
        forever(),
      ]);
    },
  });
  await engine.send(agent, 'warm up');
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const before = timers();
  const sleeping = await Promise.all(Array.from({ length: 200 }, () => engine.submit(agent, 'sleep')));
  await asleep(tables, ...sleeping.map(({ id }) => id!));
  const { active, pool } = engine.execution as unknown as { active: ActiveRuns; pool: { free: number } };
  const { topics } = engine.tasks.streams as unknown as { topics: Record<string, unknown> };
  await tables.waitFor(async () => expect([active.size, Object.keys(topics).length, pool.free]).toEqual([0, 0, 100]));
  // The idle connections of the pools have one each.
  expect(timers() - before).toBeLessThan(20);
  await tables.waitFor(async () => {
    collectGarbage();
    expect(contexts.filter((context) => context.deref() !== undefined)).toEqual([]);
  });
  expect(contexts.length).toBeGreaterThan(200);
  await Promise.all(sleeping.map(({ id }) => engine.cancel(agent, id!)));
});

it('takes no slot while it sleeps', async () => {
  const engine = await engines.start({ config: { workerConcurrency: 2 } });
  const agent = engines.agent({ run: (task) => task.sleep('1h') });
  const sleeping = await Promise.all(Array.from({ length: 8 }, () => engine.submit(agent, 'go')));
  await asleep(tables, ...sleeping.map(({ id }) => id!));
  const other = engines.agent({ run: () => 'Done' });
  expect(textOf((await engine.send(other, 'go')).status?.message)).toBe('Done');
  await Promise.all(sleeping.map(({ id }) => engine.cancel(agent, id!)));
});
