import { expect, it } from 'vitest';
import { type AppendWrite, type CreateWrite, SignalPendingError } from '#store';
import { append, COMMITTER, creation, useCommitters } from '../support/committer.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { listening } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { Random } from '../support/random.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const startCommitter = useCommitters();

function signal({ tasks }: Engine, taskId: string | undefined, name: string, value?: unknown, key?: string) {
  return tasks.taskSignals.deliver({ tenantId: 'acme', taskId: taskId! }, { name, value, key });
}

async function result(engine: Engine, agent: string, id: string | undefined): Promise<unknown> {
  await tables.until(id!, 'COMPLETED');
  return JSON.parse(textOf((await engine.get(agent, id!)).status?.message));
}

/** Holds the engine's first write of that kind up until its task is there and `does`, told of it, is through. */
function before(
  { tasks }: Engine,
  which: (write: AppendWrite) => boolean,
  does: (id: string) => Promise<unknown>,
): void {
  const { committer } = tasks.store;
  const submit = committer.submit.bind(committer);
  let isDone = false;
  committer.submit = async (write: CreateWrite | AppendWrite) => {
    if (!isDone && write.kind === 'append' && which(write)) {
      isDone = true;
      await tables.waitFor(() => tables.task(write.taskId), 2);
      await does(write.taskId);
    }
    return submit(write);
  };
}

const isRest = ({ signals }: AppendWrite) => signals !== undefined;
const isTake = ({ journal }: AppendWrite) => journal?.[0]?.kind === 'waitFor';

it('does not rest over a signal that came while it was about to: the run starts over at once', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      await task.step('once', () => void calls.push('once'));
      return JSON.stringify(await task.waitFor('a'));
    },
  });
  before(engine, isRest, async (taskId) => {
    expect(await signal(engine, taskId, 'a', 'just in time')).toEqual({ ordinal: 1, isNew: true });
    expect(await tables.task(taskId)).toMatchObject({ listens: false, lease_token: '1' });
  });
  const { id } = await engine.submit(agent, 'go');
  expect(await result(engine, agent, id)).toBe('just in time');
  expect(calls).toEqual(['run', 'once', 'run']);
  // Under the lease that it had: nobody else was asked.
  expect(await tables.task(id!)).toMatchObject({ lease_token: '1', lost: 0, attempt: 0 });
});

it('rests after all where the signal that came meanwhile is another one', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: async (task) => JSON.stringify(await task.waitFor('a')) });
  before(engine, isRest, (taskId) => signal(engine, taskId, 'b'));
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  await signal(engine, id, 'a', 1);
  expect(await result(engine, agent, id)).toBe(1);
});

it('leaves nothing to the code of a run that starts over: what it still calls counts for nothing', async () => {
  const engine = await engines.start();
  const [straggle, effects] = [new Gate(), [] as string[]];
  let runs = 0;
  const agent = engines.agent({
    async run(task) {
      const run = ++runs;
      // Beside the task's calls, as no handler should.
      if (run === 1)
        void straggle.opened
          .then(() => task.step('stray', () => effects.push('stray')))
          .catch(() => effects.push('refused'));
      await task.waitFor('a');
      if (run === 2) straggle.open();
      await task.step('own', () => effects.push('own'));
      return JSON.stringify(await task.waitFor('b'));
    },
  });
  before(engine, isRest, (taskId) => signal(engine, taskId, 'a'));
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  await signal(engine, id, 'b', 'b');
  expect(await result(engine, agent, id)).toBe('b');
  expect(effects.toSorted()).toEqual(['own', 'refused']);
});

it('commits a rest that listens only while as many signals have come as it names', async () => {
  const committer = await startCommitter(database.url);
  const task = creation();
  await committer.submit(task);
  await tables.rows('update perdure.tasks set signals = 3 where id = $1', [task.taskId]);
  await tables.rows(
    `insert into perdure.task_signals (tenant_id, task_id, ordinal, name, value)
     select 'acme', $1, n, 'a', '1' from generate_series(1, 3) n`,
    [task.taskId],
  );
  const rest = (signals: number) => append(task, [], { release: true, signals });
  const emission = append(task, ['kept']);
  const together = await Promise.allSettled([committer.submit(emission), committer.submit({ ...rest(2), base: 2 })]);
  expect(together.map((each) => (each.status === 'rejected' ? (each.reason as Error) : 'committed'))).toEqual([
    'committed',
    expect.any(SignalPendingError),
  ]);
  expect(await tables.task(task.taskId)).toMatchObject({ lease_owner: 'worker', listens: false, last_sequence: 2 });
  await committer.submit({ ...rest(3), base: 2 });
  expect(await tables.task(task.taskId)).toMatchObject({ lease_owner: null, listens: true, run_at: null });
  await tables.rows('update perdure.tasks set listens = false where id = $1', [task.taskId]);
});

it('loses no signal and gives none twice, whoever delivers it and whenever', async () => {
  const [engine, other] = [await engines.start(), await engines.start()];
  const random = new Random(11);
  const taken = new Map<string, unknown[]>();
  const agent = engines.agent({
    async run(task) {
      const got: unknown[] = [];
      for (let n = 0; n < 4; n++) got.push(await task.waitFor('a'));
      taken.set(task.id, got);
    },
  });
  const tasks = await Promise.all(Array.from({ length: 24 }, () => engine.submit(agent, 'go')));
  await Promise.all(
    tasks.flatMap(({ id }) =>
      [1, 2, 3, 4].map(async (n) => {
        for (let turns = random.below(40); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
        await signal(random.below(2) === 0 ? engine : other, id, 'a', n);
      }),
    ),
  );
  for (const { id } of tasks) await tables.until(id!, 'COMPLETED');
  for (const { id } of tasks) expect(taken.get(id!)!.toSorted()).toEqual([1, 2, 3, 4]);
});

it('gives the signal again to the run that follows one that crashed before it was recorded', async () => {
  const first = await engines.start({ mayCrash: true });
  const effects: unknown[] = [];
  const agent = engines.agent({
    async run(task) {
      const value = await task.waitFor('a');
      await task.step('use', () => effects.push(value));
      return JSON.stringify(value);
    },
  });
  const taking = new Gate();
  before(first, isTake, async () => {
    taking.open();
    await forever();
  });
  const { id } = await first.submit(agent, 'go');
  await signal(first, id, 'a', 'kept');
  await signal(first, id, 'a', 'the next');
  await taking.opened;
  await first.crash();
  await tables.forget();
  const second = await engines.start();
  expect(await result(second, agent, id)).toBe('kept');
  expect(effects).toEqual(['kept']);
  expect(await tables.task(id!)).toMatchObject({ lost: 1, attempt: 0 });
});

it('goes on in the process that takes over, with what came meanwhile', async () => {
  const first = await engines.start({ mayCrash: true });
  const [waiting, isFirst] = [new Gate(), { run: true }];
  const agent = engines.agent({
    async run(task) {
      const [, values] = await task.all([
        (branch) => branch.step('slow', () => (isFirst.run ? forever() : undefined)),
        async (branch) => {
          waiting.open();
          return [await branch.waitFor('a'), await branch.waitFor('a')];
        },
      ]);
      return JSON.stringify(values);
    },
  });
  const { id } = await first.submit(agent, 'go');
  await waiting.opened;
  await signal(first, id, 'a', 1);
  await tables.waitFor(async () => expect(await tables.journal(id!)).toHaveLength(2));
  await first.crash();
  isFirst.run = false;
  await tables.forget();
  const second = await engines.start();
  await signal(second, id, 'a', 2);
  expect(await result(second, agent, id)).toEqual([1, 2]);
});

it('wakes up where nothing ran when the signal came, with a lost queue too', async () => {
  const first = await engines.start();
  const agent = engines.agent({ run: async (task) => JSON.stringify(await task.waitFor('a')) });
  const { id } = await first.submit(agent, 'go');
  await listening(tables, id!);
  await first.stop();
  const accepting = await engines.start({ runs: false });
  await signal(accepting, id, 'a', 1);
  expect((await tables.task(id!)).run_at).not.toBeNull();
  await tables.rows('delete from perdure.outbox where task_id = $1', [id]);
  expect(await result(await engines.start(), agent, id)).toBe(1);
});

it('ends a run once whose rest was committed without an answer, be there a signal meanwhile or not', async () => {
  const proxy = await DatabaseProxy.start(database.url);
  const engine = await engines.start({ url: proxy.url });
  const direct = await engines.start({ runs: false });
  const effects: string[] = [];
  const agent = engines.agent({
    async run(task) {
      const value = await task.waitFor('a');
      await task.step('use', () => effects.push(textOf(task.message)));
      return JSON.stringify(value);
    },
  });
  for (const signaled of [true, false]) {
    const lost = new Gate();
    before(engine, isRest, async () => void proxy.loseNextAnswer(COMMITTER).then(() => lost.open()));
    const { id } = await engine.submit(agent, String(signaled));
    await lost.opened;
    if (!signaled) await listening(tables, id!);
    await signal(direct, id, 'a', signaled);
    expect(await result(engine, agent, id)).toBe(signaled);
  }
  expect(effects).toEqual(['true', 'false']);
  await engine.stop();
  await proxy.close();
});
