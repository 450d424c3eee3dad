import { expect, it } from 'vitest';
import { type ActiveRuns } from '../../libs/execution/src/active-runs.js';
import { type BranchTask } from '../../libs/agents/src/agent-task.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { asleep, hasten, listening } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

function signal({ tasks }: Engine, taskId: string | undefined, name: string, value?: unknown, key?: string) {
  return tasks.taskSignals.deliver({ tenantId: 'acme', taskId: taskId! }, { name, value, key });
}

async function result(engine: Engine, agent: string, id: string | undefined): Promise<unknown> {
  await tables.until(id!, 'COMPLETED');
  return JSON.parse(textOf((await engine.get(agent, id!)).status?.message));
}

async function records(id: string | undefined): Promise<string[]> {
  return (await tables.journal(id!)).map(({ kind, name, value }) => `${kind} ${name} ${value}`);
}

it('ends the run at a wait, is a row until the signal comes, and goes on with its value', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      await task.step('before', () => void calls.push('before'));
      const order = await task.waitFor<{ item: string }>('order');
      await task.step('after', () => void calls.push('after'));
      return JSON.stringify(order);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  expect(await tables.task(id!)).toMatchObject({ state: 2, lease_owner: null, run_at: null });
  const { active, pool } = engine.execution as unknown as { active: ActiveRuns; pool: { free: number } };
  await tables.waitFor(async () => expect([active.size, pool.free]).toEqual([0, 100]));
  expect(await tables.rows('select from perdure.outbox where task_id = $1', [id])).toEqual([]);

  expect(await signal(engine, id, 'order', { item: 'tea' })).toEqual({ ordinal: 1, isNew: true });
  expect(await result(engine, agent, id)).toEqual({ item: 'tea' });
  expect(calls).toEqual(['run', 'before', 'run', 'after']);
  expect(await records(id)).toEqual(['step before null', 'waitFor order 1', 'step after null']);
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'COMPLETED']);
  expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 0, run_at: null });
});

it('takes a signal at once that came before the wait', async () => {
  const engine = await engines.start();
  const [running, go] = [new Gate(), new Gate()];
  let runs = 0;
  const agent = engines.agent({
    async run(task) {
      runs++;
      running.open();
      await go.opened;
      return JSON.stringify([await task.waitFor('early'), await task.waitFor('nothing')]);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  await signal(engine, id, 'early', 'bird');
  await signal(engine, id, 'nothing');
  go.open();
  expect(await result(engine, agent, id)).toEqual(['bird', null]);
  expect(runs).toBe(1);
});

it('releases one call with each signal, the oldest of its name first', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const first = await task.waitFor('a');
      const other = await task.waitFor('b');
      const second = await task.waitFor('a');
      return JSON.stringify([first, other, second]);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  await signal(engine, id, 'b', 1);
  await signal(engine, id, 'never', 2);
  await listening(tables, id!);
  expect(await records(id)).toEqual([]);
  await signal(engine, id, 'a', 3);
  await tables.waitFor(async () => expect(await records(id)).toHaveLength(2));
  await listening(tables, id!);
  await signal(engine, id, 'a', 4);
  await signal(engine, id, 'a', 5).catch(() => undefined);
  expect(await result(engine, agent, id)).toEqual([3, 1, 4]);
});

it('serves waits of many names side by side, however the signals come', async () => {
  const engine = await engines.start();
  const names = Array.from({ length: 12 }, (_, n) => `name-${n}`);
  const agent = engines.agent({
    async run(task) {
      const wait = (name: string) => async (branch: BranchTask) => [
        await branch.waitFor(name),
        await branch.step('seen', () => name),
        await branch.waitFor(name),
      ];
      return JSON.stringify(await task.all(names.map(wait)));
    },
  });
  const { id } = await engine.submit(agent, 'go');
  for (const round of [1, 2]) {
    for (const name of names.toReversed()) await signal(engine, id, name, `${name} ${round}`);
    if (round === 1) await listening(tables, id!);
  }
  expect(await result(engine, agent, id)).toEqual(names.map((name) => [`${name} 1`, name, `${name} 2`]));
});

it('lets the same name be waited for in several branches: each signal is for one of them', async () => {
  const engine = await engines.start();
  const wait = (branch: BranchTask) => branch.waitFor<number>('job');
  const agent = engines.agent({ run: async (task) => JSON.stringify(await task.all([wait, wait, wait])) });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  for (const job of [1, 2, 3]) await signal(engine, id, 'job', job);
  expect(((await result(engine, agent, id)) as number[]).toSorted()).toEqual([1, 2, 3]);
});

it('replays what was taken, and frees it when the record is deleted', async () => {
  const engine = await engines.start();
  const seen: unknown[] = [];
  const agent = engines.agent({
    retry: { attempts: 9, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
    async run(task) {
      seen.push(await task.waitFor('a'));
      if (task.attempt < 3) throw new Error('not yet');
      return JSON.stringify(await task.waitFor('a'));
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await signal(engine, id, 'a', 'first');
  await signal(engine, id, 'a', 'second');
  await asleep(tables, id!);
  await hasten(tables, id!);
  await tables.waitFor(async () => expect((await tables.task(id!)).attempt).toBe(2));
  expect(seen).toEqual(['first', 'first']);
  await tables.rows(`delete from perdure.task_journal where task_id = $1`, [id]);
  await asleep(tables, id!);
  await hasten(tables, id!);
  expect(await result(engine, agent, id)).toBe('second');
  expect(seen).toEqual(['first', 'first', 'first']);
  expect(await records(id)).toEqual(['waitFor a 1', 'waitFor a 2']);
});

it('fails a task whose replay waits for another name than was recorded', async () => {
  const engine = await engines.start();
  let name = 'a';
  const agent = engines.agent({
    async run(task) {
      await task.waitFor(name);
      await task.waitFor('b');
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await signal(engine, id, 'a');
  await tables.waitFor(async () => expect(await records(id)).toHaveLength(1));
  await listening(tables, id!);
  name = 'c';
  await signal(engine, id, 'b');
  await tables.until(id!, 'FAILED');
  const { status } = await engine.get(agent, id!);
  expect(status?.message?.metadata).toMatchObject({ reason: 'non_deterministic' });
});

it('keeps for the next turn what no call has taken, and gives it no second time', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    run: async (task) => JSON.stringify([textOf(task.message), await task.waitFor('a')]),
  });
  const { id } = await engine.submit(agent, 'one');
  await listening(tables, id!);
  await engine.submit(agent, { taskId: id, parts: [{ text: 'two' }] });
  // A message is no signal.
  expect(await tables.task(id!)).toMatchObject({ lease_owner: null, run_at: null, turn: 1 });
  await signal(engine, id, 'a', 1);
  await tables.waitFor(async () => expect((await tables.task(id!)).turn).toBe(2));
  await listening(tables, id!);
  await signal(engine, id, 'a', 2);
  expect(await result(engine, agent, id)).toEqual(['two', 2]);
});

it('keeps a signal for later that comes while the client is asked', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const [signaled, answer] = await Promise.all([task.waitFor('a'), task.requestInput('Who?')]);
      return JSON.stringify([signaled, textOf(answer)]);
    },
  });
  const asked = await engine.send(agent, 'go');
  expect(asked.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
  await signal(engine, asked.id, 'a', 'kept');
  expect(await tables.task(asked.id!)).toMatchObject({ run_at: null, lease_owner: null });
  await engine.submit(agent, { taskId: asked.id, parts: [{ text: 'Ada' }] });
  expect(await result(engine, agent, asked.id)).toEqual(['kept', 'Ada']);
});

it('is ended by a message where the agent takes messages as interruptions', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    followUps: 'interrupt',
    run: async (task) => JSON.stringify(textOf(task.message) === 'wait' ? await task.waitFor('a') : 'interrupted'),
  });
  const { id } = await engine.submit(agent, 'wait');
  await listening(tables, id!);
  await engine.submit(agent, { taskId: id, parts: [{ text: 'stop waiting' }] });
  expect(await result(engine, agent, id)).toBe('interrupted');
});

it('tells a run of a signal while a step of it is under way', async () => {
  const [engine, other] = [await engines.start(), await engines.start({ runs: false })];
  let runs = 0;
  const [waiting, heard] = [new Gate(), new Gate()];
  const agent = engines.agent({
    async run(task) {
      runs++;
      const [, value] = await task.all([
        // Ends when the other branch has heard: were it told at the end of the step only, it would wait for ever.
        (branch) => branch.step('long', () => heard.opened),
        async (branch) => {
          waiting.open();
          const taken = await branch.waitFor('now');
          heard.open();
          return taken;
        },
      ]);
      return JSON.stringify(value);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await waiting.opened;
  await signal(other, id, 'now', 1);
  expect(await result(engine, agent, id)).toBe(1);
  expect(runs).toBe(1);
});

it('waits beside a sleep for what comes first, and for the other after it', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const order = await task.all({
        slept: async (branch) => {
          await branch.sleep('1h');
          return branch.now();
        },
        signaled: async (branch) => {
          await branch.waitFor('a');
          return branch.now();
        },
      });
      return JSON.stringify(order.slept > order.signaled);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  const { run_at } = await tables.task(id!);
  await signal(engine, id, 'a');
  await tables.waitFor(async () => expect(await records(id)).toContain('waitFor a 1'));
  await asleep(tables, id!);
  expect(await tables.task(id!)).toMatchObject({ run_at, listens: false });
  await hasten(tables, id!);
  expect(await result(engine, agent, id)).toBe(true);
});

it('leaves the pauses of attempts and of steps as long as they are', async () => {
  const engine = await engines.start();
  let calls = 0;
  const hour = { attempts: 2, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
  const [failing, pausing] = [
    engines.agent({
      retry: hour,
      async run(task) {
        await task.waitFor('a');
        throw new Error('not yet');
      },
    }),
    engines.agent({
      async run(task) {
        const retry = { attempts: 2, initialDelay: '1h', maxDelay: '1h' };
        const flaky = (branch: BranchTask) =>
          branch.step('flaky', { retry }, () => {
            calls++;
            throw new Error('not yet');
          });
        await task.all([flaky, (branch) => branch.waitFor('a').then(() => branch.waitFor('b'))]);
      },
    }),
  ];
  const [failed, paused] = [await engine.submit(failing, 'go'), await engine.submit(pausing, 'go')];
  await listening(tables, failed.id!, paused.id!);
  const pause = (await tables.task(paused.id!)).run_at;
  await signal(engine, paused.id, 'a');
  await tables.waitFor(async () => expect(await records(paused.id)).toContain('waitFor a 1'));
  await listening(tables, paused.id!);
  expect(await tables.task(paused.id!)).toMatchObject({ run_at: pause });
  expect(calls).toBe(1);

  await signal(engine, failed.id, 'a');
  await asleep(tables, failed.id!);
  const retried = await tables.task(failed.id!);
  expect(retried).toMatchObject({ attempt: 1, listens: false });
  await signal(engine, failed.id, 'a');
  expect(await tables.task(failed.id!)).toMatchObject({ run_at: retried.run_at, lease_token: retried.lease_token });
  for (const [agent, { id }] of [[failing, failed] as const, [pausing, paused] as const])
    await engine.cancel(agent, id!);
});

it('gives undefined when the time is over, on every replay, and keeps what comes later', async () => {
  const engine = await engines.start();
  const seen: unknown[] = [];
  const agent = engines.agent({
    async run(task) {
      const inTime = await task.waitFor('a', { timeout: '1h' });
      seen.push(inTime === undefined ? 'too late' : inTime);
      return JSON.stringify(await task.waitFor('a'));
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  const { run_at } = await tables.task(id!);
  expect(run_at!.getTime() - Date.now()).toBeGreaterThan(3_590_000);
  // A run that starts too early waits for what is left.
  await signal(engine, id, 'other');
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ run_at, listens: true }));
  await hasten(tables, id!);
  await tables.waitFor(async () => expect(await records(id)).toContain('waitFor a null'));
  await listening(tables, id!);
  await signal(engine, id, 'a', 'late');
  expect(await result(engine, agent, id)).toBe('late');
  expect(seen).toEqual(['too late', 'too late']);
});

it('takes a signal that comes in time, and fires nothing afterwards', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    run: async (task) => JSON.stringify([await task.waitFor('a', { timeout: '1h' }), await task.waitFor('b')]),
  });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  await signal(engine, id, 'a', 1);
  await tables.waitFor(async () => expect(await records(id)).toContain('waitFor a 1'));
  await listening(tables, id!);
  expect(await tables.task(id!)).toMatchObject({ run_at: null });
  await signal(engine, id, 'b', 2);
  expect(await result(engine, agent, id)).toEqual([1, 2]);
});

it('disturbs no run that has begun because the time of its wait was over', async () => {
  const engine = await engines.start();
  const [begun, go] = [new Gate(), new Gate()];
  let runs = 0;
  const agent = engines.agent({
    async run(task) {
      if (++runs === 2) {
        begun.open();
        await go.opened;
      }
      return JSON.stringify(await task.waitFor('a', { timeout: '1h' }));
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  await hasten(tables, id!);
  await begun.opened;
  const { lease_owner, lease_token } = await tables.task(id!);
  await signal(engine, id, 'a', 'late');
  expect(await tables.task(id!)).toMatchObject({ lease_owner, lease_token, listens: false });
  go.open();
  // It is there when the run looks.
  expect(await result(engine, agent, id)).toBe('late');
  expect(runs).toBe(2);
});

it('looks once and goes on where the timeout is 0', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    run: async (task) => JSON.stringify({ found: await task.waitFor('a', { timeout: 0 }) }),
  });
  expect(textOf((await engine.send(agent, 'go')).status?.message)).toBe('{}');
});

it.each([
  ['a name that nobody can send', '$a', undefined, /the name in task\.waitFor is not 1 to 128 letters/],
  ['a timeout that is none', 'a', { timeout: 'soon' }, /the timeout of task\.waitFor: "soon" is not a duration/],
  ['a timeout of more than ten years', 'a', { timeout: '3654d' }, /longer than ten years/],
  ['something else as options', 'a', '1h' as never, /takes a name, or a name and options/],
])('fails the task where it waits for %s', async (_, name, options, explanation) => {
  const engine = await engines.start();
  const agent = engines.agent({ run: (task) => task.waitFor(name, options as object) });
  const task = await engine.send(agent, 'go');
  expect(task.status).toMatchObject({ state: 'TASK_STATE_FAILED', message: { metadata: { reason: 'error' } } });
  const failed = engine.log.find(({ msg }) => msg === 'run.failed');
  expect(failed).toMatchObject({ final: true, err: { message: expect.stringMatching(explanation) } });
});
