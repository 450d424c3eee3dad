import { expect, it } from 'vitest';
import { type OperatorAction } from '#tasks';
import { textOf, useEngines } from '../support/engine.js';
import { act } from '../support/operator.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

/** So often each operator acts at least, and at most until each action has met a task that takes it. */
const ROUNDS = 60;
const MAX_ROUNDS = 1_000;

const ACTIONS: readonly OperatorAction[] = [
  ...([{ kind: 'retry' }, { kind: 'redrive' }, { kind: 'reset' }] as const),
  ...([
    { kind: 'reset', first: { name: 'second' } },
    { kind: 'signal', name: 'go', value: 1 },
  ] as const),
];

it('keeps the laws while several operators do all they can to tasks that run, fail, wait and end', async () => {
  const workers = [await engines.start(), await engines.start()];
  let runs = 0;
  const agent = engines.agent({
    // Long enough for an operator to find it waiting.
    retry: { attempts: 2, initialDelayMs: 100, maxDelayMs: 100 },
    async run(task) {
      const run = ++runs;
      const luck = run % 4;
      await task.step('first', () => run);
      await task.status(`run ${run}`);
      await task.step('second', () => {
        if (luck === 1) throw new Error('bad luck');
      });
      if (luck === 2) await task.waitFor('go');
      if (luck === 3) await task.status({ text: 'x', nonsense: 1 } as never);
      return 'Done';
    },
  });
  const submit = async (i: number) => (await workers[i % 2]!.submit(agent, 'go')).id!;
  const ids = await Promise.all(Array.from({ length: 12 }, (_, i) => submit(i)));
  const missing = new Set(ACTIONS);
  const operate = async (operator: number) => {
    for (let i = 0; i < ROUNDS || (missing.size > 0 && i < MAX_ROUNDS); i++) {
      // What has ended well takes nothing any more; those that come later do.
      if (i % ids.length === ROUNDS % ids.length && i > ROUNDS) ids.push(await submit(operator));
      const id = ids[(i * 7 + operator * 5) % ids.length]!;
      const action = ACTIONS[(i + operator) % ACTIONS.length]!;
      const { outcome } = await act(workers[operator % 2]!, action, id);
      if (outcome === 'done') missing.delete(action);
    }
  };

  await Promise.all([0, 1, 2, 3].map(operate));

  expect([...missing], 'actions that no task has taken').toEqual([]);
  for (const id of ids) await act(workers[0]!, { kind: 'cancel' }, id);
  await tables.waitFor(async () => {
    const open = await tables.rows('select id from perdure.tasks where id = any($1) and state not in (3, 4, 5)', [ids]);
    expect(open).toEqual([]);
  });
  for (const id of ids) {
    const states = await tables.states(id);
    for (const [i, state] of states.slice(0, -1).entries()) {
      expect(['COMPLETED', 'CANCELED'], `${id}: ${states.join(' ')}`).not.toContain(state);
      if (state === 'FAILED') expect(states[i + 1]).toBe('WORKING');
    }
  }
  // A run that another has taken the place of says nothing any more.
  for (const id of ids) {
    const texts = (await tables.events(id)).map(({ statusUpdate }) => textOf(statusUpdate?.status?.message));
    const numbers = texts.filter((text) => text.startsWith('run ')).map((text) => Number(text.slice('run '.length)));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  }
  await tables.expectSound();
});
