import { expect, it } from 'vitest';
import { textOf, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('gives the same time, number and id on every replay', async () => {
  const engine = await engines.start();
  const seen: unknown[][] = [];
  const agent = engines.agent({
    async run(task) {
      seen.push([await task.now(), await task.random(), await task.uuid(), await task.uuid()]);
      if (task.attempt < 3) throw new Error('again');
    },
  });
  const before = Date.now();
  const task = await engine.send(agent, 'go');
  expect(seen).toHaveLength(3);
  expect([seen[1], seen[2]]).toEqual([seen[0], seen[0]]);
  const [now, random, uuid, other] = seen[0] as [Date, number, string, string];
  expect(now.getTime()).toBeGreaterThanOrEqual(before - 1_000);
  expect(now.getTime()).toBeLessThanOrEqual(Date.now() + 1_000);
  expect(random).toBeGreaterThanOrEqual(0);
  expect(random).toBeLessThan(1);
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(other).not.toBe(uuid);
  const kinds = (await tables.journal(task.id!)).map(({ kind }) => kind);
  expect(kinds).toEqual(['now', 'random', 'uuid', 'uuid']);
});

it('has recorded a value before anything is done with it outside', async () => {
  const engine = await engines.start();
  let recorded: unknown[] = [];
  const agent = engines.agent({
    async run(task) {
      const key = await task.uuid();
      await task.step('use', async () => {
        const journal = await tables.journal(task.id);
        recorded = [JSON.parse(journal[0]!.value), key];
      });
    },
  });
  await engine.send(agent, 'go');
  expect(recorded[0]).toBe(recorded[1]);
});

it('bounds the recorded calls of a turn, and tells the author which limit it is', async () => {
  const engine = await engines.start({ config: { maxRecordsPerTurn: 20 } });
  const agent = engines.agent({
    async run(task) {
      for (let i = 0; i < Number(textOf(task.message)); i++) await task.random();
      return 'Done';
    },
  });
  expect((await engine.send(agent, '20')).status?.state).toBe('TASK_STATE_COMPLETED');
  expect((await engine.send(agent, '21')).status?.state).toBe('TASK_STATE_FAILED');
  const message = expect.stringMatching(/20 recorded calls; that is the limit \(PERDURE_MAX_RECORDS\)/);
  expect(engine.log.find(({ msg }) => msg === 'run.failed')).toMatchObject({ final: true, err: { message } });
});

it.each([
  [
    'another kind',
    { first: 'sleep', then: 'uuid' },
    /call 1 of the handler is uuid, but when it ran before it was sleep/,
  ],
  ['another step', { first: 'step a', then: 'step b' }, /is step "b", but when it ran before it was step "a"/],
  ['other branches', { first: 'all a', then: 'all b' }, /is all "b", but when it ran before it was all "a"/],
])('fails the task where a replay makes a call of %s', async (_, { first, then }, explanation) => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const [kind, name = ''] = (task.attempt === 1 ? first : then).split(' ');
      if (kind === 'sleep') await task.sleep(1);
      else if (kind === 'uuid') await task.uuid();
      else if (kind === 'step') await task.step(name, () => 1);
      else await task.all({ [name]: (branch) => branch.uuid() });
      throw new Error('again');
    },
  });
  const task = await engine.send(agent, 'go');
  expect(task.status).toMatchObject({
    state: 'TASK_STATE_FAILED',
    message: { metadata: { reason: 'non_deterministic' } },
  });
  const message = expect.stringMatching(explanation);
  expect(engine.log.findLast(({ msg }) => msg === 'run.failed')).toMatchObject({ final: true, err: { message } });
});
