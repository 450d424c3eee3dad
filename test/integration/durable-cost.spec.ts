import { expect, it } from 'vitest';
import { textOf, useEngines } from '../support/engine.js';
import { forever } from '../support/gate.js';
import { asleep } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { RunMemory } from '../support/run-memory.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('keeps nothing in memory of tasks that sleep and wait for signals', async () => {
  const engine = await engines.start();
  const memory = new RunMemory(engine, tables);
  const agent = engines.agent({
    async run(task) {
      const ballast = memory.ballast(task);
      if (textOf(task.message) === 'warm up') return task.sleep(1);
      await Promise.all([
        task.all([
          (branch) => branch.sleep('1h'),
          (branch) => branch.sleep('30m').then(() => ballast),
          (branch) => branch.waitFor('never').then(() => ballast),
        ]),
        // What else the handler waits for goes with it.
        forever(),
      ]);
    },
  });
  await engine.send(agent, 'warm up');
  memory.begin();
  const sleeping = await Promise.all(Array.from({ length: 200 }, () => engine.submit(agent, 'sleep')));
  await asleep(tables, ...sleeping.map(({ id }) => id!));
  await memory.untilReleased(200);
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
