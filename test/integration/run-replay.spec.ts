import { expect, it } from 'vitest';
import { artifactTexts, textOf, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('works', async () => {
  const engine = await engines.start({ mayCrash: true, config: { leaseMs: 600 } });
  const agent = engines.agent({ run: async (task) => { await task.status('x'); await new Promise(() => undefined); } });
  const task = await engine.submit(agent, 'hi');
  await tables.waitFor(async () => expect(await tables.events(task.id!)).toHaveLength(3));
  await engine.crash();
  const t = performance.now();
  await (engine as any).stopping;
  console.log(performance.now() - t, engine.log.map((l) => l.msg + ' ' + (l.err?.message ?? '')));
});
