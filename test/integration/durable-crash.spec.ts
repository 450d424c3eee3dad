import { expect, it } from 'vitest';
import { textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const POINTS = 16;
const STEPS = ['first', 'flaky', 'last', 'left 1', 'left 2', 'right'];

it('comes to the same result whichever call it crashes before or after, and does again just what was not recorded', async () => {
  const effects: { id: string; step: string; life: number }[] = [];
  const stepsOf = (id: string, life: number) =>
    effects.filter((effect) => effect.id === id && effect.life === life).map(({ step }) => step);
  let hasCrashed = false;
  const reached = Array.from({ length: POINTS }, () => new Gate());
  const died = new Set<string>();
  const agent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      const life = hasCrashed ? 2 : 1;
      // One task stops at each point, in its first run alone.
      const point = async (n: number) => {
        if (String(n) !== textOf(task.message) || died.has(task.id)) return;
        died.add(task.id);
        reached[n]!.open();
        await forever();
      };
      const effect = (step: string, value: unknown) => {
        effects.push({ id: task.id, step, life });
        return value;
      };
      await point(0);
      const key = await task.uuid();
      await point(1);
      await task.status('Begun');
      await point(2);
      const first = await task.step('first', () => effect('first', key));
      await point(3);
      await task.sleep('50ms');
      await point(4);
      const branches = await task.all({
        async left(branch) {
          await point(5);
          const one = await branch.step('left 1', () => effect('left 1', 1));
          await point(6);
          await branch.sleep('50ms');
          await point(7);
          const two = await branch.step('left 2', () => effect('left 2', 2));
          await point(8);
          return [one, two];
        },
        async right(branch) {
          const number = await branch.random();
          await point(9);
          await branch.artifact({ name: 'right' }).write(String(number));
          await point(10);
          const same = await branch.step('right', () => effect('right', number));
          await point(11);
          return same === number;
        },
      });
      await point(12);
      let failures = 0;
      await task.step('flaky', { retry: { attempts: 3, initialDelay: 1 } }, () => {
        if (failures++ === 0) throw new Error('not yet');
        return effect('flaky', null);
      });
      await point(13);
      await task.sleep(1);
      await point(14);
      const last = await task.step('last', () => effect('last', key));
      await point(15);
      return JSON.stringify([first === last, branches, task.attempt]);
    },
  });
  const first = await engines.start({ mayCrash: true });
  const tasks = await Promise.all(Array.from({ length: POINTS }, (_, n) => first.submit(agent, String(n))));
  await Promise.all(reached.map(({ opened }) => opened));
  await first.crash();
  hasCrashed = true;
  // From here on nothing is written before the second process starts.
  await tables.forget();
  const recorded = await Promise.all(tasks.map(({ id }) => recordedSteps(id!)));
  const second = await engines.start();
  for (const { id } of tasks) await tables.until(id!, 'COMPLETED');
  for (const [point, { id }] of tasks.entries()) {
    const task = await second.get(agent, id!);
    expect(JSON.parse(textOf(task.status?.message))).toEqual([true, { left: [1, 2], right: true }, 1]);
    const before = stepsOf(id!, 1);
    expect(before, `once before point ${point}`).toEqual([...new Set(before)]);
    expect(before, `recorded at point ${point}`).toEqual(expect.arrayContaining(recorded[point]!));
    const left = STEPS.filter((step) => !recorded[point]!.includes(step));
    expect(stepsOf(id!, 2).toSorted(), `again after point ${point}`).toEqual(left);
    expect(task.artifacts).toHaveLength(1);
    expect((await tables.states(id!)).filter((state) => state === 'WORKING')).toHaveLength(2);
    expect(await tables.task(id!)).toMatchObject({ attempt: 0 });
  }
});

async function recordedSteps(id: string): Promise<string[]> {
  const records = await tables.journal(id);
  return records.filter(({ kind }) => kind === 'step').map(({ name }) => name);
}
