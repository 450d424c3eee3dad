import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type BranchTask } from '../../libs/agents/src/agent-task.js';
import { artifactTexts, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { Random } from '../support/random.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('gives the results in the shape of the branches', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const named = await task.all({ two: (branch) => branch.step('two', () => 2), one: () => 'one' });
      const listed = await task.all([1, 2, 3].map((n) => (branch: BranchTask) => branch.step('n', () => n * 10)));
      const nested = await task.all([(branch) => branch.all({ in: (inner) => inner.step('deep', () => 'deep') })]);
      const sum: number = named.two + listed[2]!;
      return JSON.stringify([named, listed, nested, await task.all([]), await task.all({}), sum]);
    },
  });
  const task = await engine.send(agent, 'go');
  const results = [{ two: 2, one: 'one' }, [10, 20, 30], [{ in: 'deep' }], [], {}, 32];
  expect(JSON.parse(textOf(task.status?.message))).toEqual(results);
  const places = (
    await tables.rows<{ place: string }>(
      `select concat_ws(' ', nullif(branch, ''), position, kind, name) as place from perdure.task_journal
     where task_id = $1 order by branch, position`,
      [task.id],
    )
  ).map(({ place }) => place);
  expect(places).toEqual([
    ...['1 all two, one', '2 all 3 branches', '3 all 1 branches', '4 all 0 branches', '5 all '],
    ...['1.two 1 step two', '2.0 1 step n', '2.1 1 step n', '2.2 1 step n', '3.0 1 all in', '3.0.1.in 1 step deep'],
  ]);
});

it('replays branches whose calls came in another order', async () => {
  const engine = await engines.start();
  const random = new Random(7);
  const calls: string[] = [];
  const agent = engines.agent({
    retry: { attempts: 5, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      const branch = (name: string) => async (own: BranchTask) => {
        const results: unknown[] = [];
        for (let i = 1; i <= 4; i++) {
          await delay(random.below(8));
          if (random.below(8) === 0 && task.attempt < 5) throw new Error('in between');
          results.push(await own.step(`${name}${i}`, () => calls.push(`${name}${i}`) && `${name}${i}`));
          results.push(await own.random());
        }
        return results;
      };
      const all = await task.all({ a: branch('a'), b: branch('b'), c: branch('c') });
      if (task.attempt < 5) throw new Error('at the end');
      return JSON.stringify(all);
    },
  });
  const tasks = await Promise.all(Array.from({ length: 5 }, () => engine.send(agent, 'go')));
  for (const task of tasks) {
    const all = JSON.parse(textOf(task.status?.message)) as Record<string, unknown[]>;
    const records = await tables.rows<{ branch: string; value: string }>(
      `select branch, value from perdure.task_journal where task_id = $1 and branch <> '' order by branch, position`,
      [task.id],
    );
    expect(records.map(({ value }) => JSON.parse(value) as unknown)).toEqual([...all.a!, ...all.b!, ...all.c!]);
  }
  expect(calls).toHaveLength(5 * 12);
});

it('lets the others go on while a branch sleeps, and ends the run when all of them wait', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      const woken = new Gate();
      return (
        await task.all({
          long: (branch) => branch.sleep('1h').then(() => 'long'),
          short: async (branch) => {
            await branch.sleep('50ms');
            woken.open();
            await branch.step('woken', () => calls.push('woken'));
            await branch.sleep('2h');
            return 'short';
          },
          busy: (branch) => branch.step('busy', () => woken.opened.then(() => calls.push('busy'))),
        })
      ).long;
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  const { run_at } = await tables.task(id!);
  const hours = (run_at!.getTime() - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(0.9);
  expect(hours).toBeLessThan(1.1);
  expect(calls.toSorted()).toEqual(['busy', 'run', 'woken']);
  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
  expect(calls.toSorted()).toEqual(['busy', 'run', 'run', 'woken']);
});

it('throws the error of a branch when the others have ended or wait, whose steps are kept', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      const failing = new Gate();
      await task.all([
        (branch) => branch.sleep('1h'),
        (branch) =>
          branch.step('effect', async () => {
            await failing.opened;
            await delay(50);
            return calls.push('effect');
          }),
        (branch) => {
          failing.open();
          if (branch.attempt === 1) throw new Error('first in line');
        },
        (branch) => (branch.attempt === 1 ? Promise.reject(new Error('second')) : undefined),
      ]);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ attempt: 1 }));
  await asleep(tables, id!);
  expect(calls).toEqual(['effect']);
  expect(engine.log.filter(({ msg }) => msg === 'run.failed')).toMatchObject([{ err: { message: 'first in line' } }]);
  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
  expect(calls).toEqual(['effect']);
});

it('forgets the sleep of a branch whose neighbour failed', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const branches = task.all([
        (branch) => branch.all([(inner) => inner.sleep('30m')]),
        () => Promise.reject(new Error('no')),
      ]);
      await branches.catch(() => undefined);
      await task.sleep('1h');
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  expect((await tables.task(id!)).run_at!.getTime() - Date.now()).toBeGreaterThan(3_000_000);
  await engine.cancel(agent, id!);
});

it('emits from branches under ids that a replay finds again', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      await task.all(
        ['a', 'b'].map((name) => async (branch: BranchTask) => {
          await branch.status(`Writing ${name}`);
          await branch.artifact({ name }).write(name);
        }),
      );
      if (task.attempt === 1) throw new Error('again');
      return textOf(await task.requestInput('Enough?'));
    },
  });
  const asked = await engine.send(agent, 'go');
  expect(textOf(asked.status?.message)).toBe('Enough?');
  const done = await engine.send(agent, { taskId: asked.id, parts: [{ text: 'yes' }] });
  expect(textOf(done.status?.message)).toBe('yes');
  const found = done.artifacts!.map(({ artifactId, name }, i) => [artifactId, name, ...artifactTexts(done, i)]);
  expect(found.toSorted()).toEqual([
    ['artifact-1-1.0-2', 'a', 'a'],
    ['artifact-1-1.1-2', 'b', 'b'],
  ]);
  expect((await tables.states(asked.id!)).filter((state) => state === 'WORKING')).toHaveLength(4);
});

it('fires the signal of every branch, and records nothing more, when the task is canceled', async () => {
  const engine = await engines.start();
  const [running, aborted] = [new Gate(), new Gate<unknown[]>()];
  const agent = engines.agent({
    async run(task) {
      const stopped = (branch: BranchTask) =>
        new Promise((resolve) => branch.signal.addEventListener('abort', resolve));
      const branches: Promise<unknown>[] = [];
      const keep = (work: Promise<unknown>) => branches.push(work) && work;
      const all = task.all([
        (branch) => keep(branch.sleep('1h')),
        (branch) => keep(stopped(branch).then(() => branch.step('late', () => 1))),
      ]);
      running.open();
      await all.catch(() => undefined);
      aborted.open(await Promise.allSettled(branches));
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  await tables.waitFor(async () => expect(await tables.journal(id!)).toHaveLength(2));
  await engine.cancel(agent, id!);
  await aborted.opened.then((settled) => {
    for (const each of settled) expect(each).toMatchObject({ status: 'rejected', reason: { name: 'RunAbortedError' } });
  });
  expect(await tables.journal(id!)).toHaveLength(2);
});

it.each([
  [
    'a question from a branch',
    (task: BranchTask) =>
      task.all({ a: (branch) => (branch as never as { requestInput(t: string): unknown }).requestInput('?') }),
    /a branch of task.all cannot ask the client.*ask before task.all or after it/,
  ],
  [
    'a call on the task outside',
    (task: BranchTask) => task.all({ a: () => task.step('outside', () => 1) }),
    /task.step "outside" is called on the task outside while branches/,
  ],
  [
    'a call on the task outside, beside the branches',
    (task: BranchTask) => Promise.all([task.all([() => task.id]), task.step('beside', () => 1)]),
    /task.step "beside" is called on the task outside while branches/,
  ],
  ['a name with a dot', (task: BranchTask) => task.all({ 'a.b': () => 1 }), /branch name "a.b" is not 1 to 64 letters/],
  ['no function', (task: BranchTask) => task.all({ a: 1 as never }), /branch a of task.all is not a function/],
  ['no branches', (task: BranchTask) => task.all(undefined as never), /takes an object or a list of functions/],
])('refuses %s, and tells the author why', async (_, run, explanation) => {
  const engine = await engines.start();
  const agent = engines.agent({ run: async (task) => void (await run(task)) });
  const task = await engine.send(agent, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  const message = expect.stringMatching(explanation);
  expect(engine.log.find(({ msg }) => msg === 'run.failed')).toMatchObject({ final: true, err: { message } });
});
