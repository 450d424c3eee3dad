import { expect, it } from 'vitest';
import { type RunQueue } from '../../libs/execution/src/run-queue.js';
import { type WorkerPool } from '../../libs/execution/src/worker-pool.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const HOUR_MS = 3_600_000;

function partsOf({ execution }: Engine): { queue: RunQueue; pool: WorkerPool } {
  return execution as unknown as { queue: RunQueue; pool: WorkerPool };
}

it('ends the run at a sleep, and goes on when the time has come without doing anything twice', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      await task.step('before', () => calls.push('before'));
      const asked = performance.now();
      await task.sleep('300ms');
      await task.sleep('10ms');
      await task.step('after', () => calls.push('after'));
      return `waited again for ${Math.round(performance.now() - asked)} ms`;
    },
  });
  const sent = performance.now();
  const task = await engine.send(agent, 'go');
  expect(performance.now() - sent).toBeGreaterThan(300);
  expect(calls.filter((call) => call !== 'run')).toEqual(['before', 'after']);
  expect(await tables.states(task.id!)).toEqual(['SUBMITTED', 'WORKING', 'COMPLETED']);
  expect(await tables.task(task.id!)).toMatchObject({ attempt: 0, lost: 0, turn: 1, run_at: null });
  const kinds = (await tables.journal(task.id!)).map(({ kind, position }) => `${position} ${kind}`);
  expect(kinds).toEqual(['1 step', '2 sleep', '3 sleep', '4 step']);
});

it('is a row while it waits: WORKING, without a holder, due at the recorded time', async () => {
  const engine = await engines.start({ config: { workerConcurrency: 1 } });
  const agent = engines.agent({ run: (task) => task.sleep('1h') });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  const { state, lease_owner, run_at } = await tables.task(id!);
  expect([state, lease_owner]).toEqual([2, null]);
  expect(run_at!.getTime() - Date.now()).toBeGreaterThan(HOUR_MS - 10_000);
  const [record] = await tables.journal(id!);
  expect(JSON.parse(record!.value)).toBe(run_at!.toISOString());
  const jobs = await tables.rows('select run_at from perdure.outbox where task_id = $1', [id]);
  expect(jobs).toEqual([{ run_at }]);
  await tables.waitFor(async () => expect(partsOf(engine).pool.free).toBe(1));

  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
});

it('sleeps again for what is left when something starts the run too early', async () => {
  const engine = await engines.start();
  let runs = 0;
  const agent = engines.agent({
    async run(task) {
      runs++;
      await task.sleep('1h');
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  const { run_at } = await tables.task(id!);
  await tables.rows('update perdure.tasks set run_at = now() where id = $1', [id]);
  await tables.waitFor(async () => expect(runs).toBe(2));
  await asleep(tables, id!);
  expect((await tables.task(id!)).run_at).toEqual(run_at);
  expect(await tables.journal(id!)).toHaveLength(1);
  await engine.cancel(agent, id!);
});

it('does not wait for a time that has passed, and waits for one that has not', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      await task.sleepUntil(new Date(0));
      const begin = await task.now();
      await task.sleepUntil(new Date(begin.getTime() + 200));
      return String((await task.now()).getTime() - begin.getTime());
    },
  });
  const task = await engine.send(agent, 'go');
  expect(Number(textOf(task.status?.message))).toBeGreaterThanOrEqual(200);
});

it('fires timers that came due while nothing ran, each once, in order', async () => {
  const first = await engines.start();
  const woken: string[] = [];
  const agent = engines.agent({
    async run(task) {
      await task.sleep('1h');
      woken.push(task.id);
    },
  });
  const tasks = await Promise.all(Array.from({ length: 8 }, () => first.submit(agent, 'go')));
  const ids = tasks.map(({ id }) => id!);
  await asleep(tables, ...ids);
  await first.stop();
  const order = ids.toReversed();
  for (const id of order) await hasten(tables, id);
  expect(woken).toEqual([]);
  await engines.start({ config: { workerConcurrency: 1 } });
  await Promise.all(ids.map((id) => tables.until(id, 'COMPLETED')));
  expect(woken).toEqual(order);
  for (const id of ids) expect(await tables.task(id)).toMatchObject({ lost: 0, attempt: 0 });
});

it('fires without the queue', async () => {
  const engine = await engines.start();
  await partsOf(engine).queue.pause();
  const agent = engines.agent({ run: (task) => task.sleep('100ms') });
  expect((await engine.send(agent, 'go')).status?.state).toBe('TASK_STATE_COMPLETED');
});

it('goes on in another process, whether the first one stopped or crashed', async () => {
  const first = await engines.start({ mayCrash: true });
  const agent = engines.agent({
    async run(task) {
      const made = await task.step('make', () => crypto.randomUUID());
      await task.sleep('1h');
      return `${made} ${made === (await task.step('same', () => made))}`;
    },
  });
  const { id } = await first.submit(agent, 'go');
  await asleep(tables, id!);
  await first.crash();
  const second = await engines.start();
  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await second.get(agent, id!)).status?.message)).toMatch(/ true$/);
  expect(await tables.task(id!)).toMatchObject({ lost: 0 });
});

it('is canceled at once, and does not wake up again', async () => {
  const engine = await engines.start();
  let runs = 0;
  const agent = engines.agent({
    async run(task) {
      runs++;
      await task.sleep('1h');
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  expect((await engine.cancel(agent, id!)).status?.state).toBe('TASK_STATE_CANCELED');
  expect(await tables.task(id!)).toMatchObject({ run_at: null, lease_owner: null });
  // The job of the timer comes all the same, and finds nothing to run.
  await tables.rows('update perdure.outbox set run_at = now() where task_id = $1', [id]);
  const job = 'select from perdure.outbox where task_id = $1';
  await tables.waitFor(async () => expect(await tables.rows(job, [id])).toEqual([]));
  await engine.send(engines.agent({ run: () => 'Done' }), 'what comes later');
  expect(runs).toBe(1);
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'CANCELED']);
});

it('is cleaned up by onCancel', async () => {
  const engine = await engines.start();
  const cleaned = new Gate<string>();
  const agent = engines.agent({
    run: (task) => task.sleep('1h'),
    onCancel: (task) => cleaned.open(textOf(task.message)),
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  await engine.cancel(agent, id!);
  expect(await cleaned.opened).toBe('go');
  await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ run_at: null, lease_owner: null }));
});

it('does not hold up the deadline of the task, and is not held to the timeout of a run', async () => {
  const engine = await engines.start();
  const [late, slow] = [
    engines.agent({ deadlineMs: 300, run: (task) => task.sleep('1h') }),
    engines.agent({ timeoutMs: 2_000, run: (task) => task.sleep('2100ms') }),
  ];
  const [failed, done] = await Promise.all([engine.send(late, 'go'), engine.send(slow, 'go')]);
  expect(failed.status).toMatchObject({ state: 'TASK_STATE_FAILED', message: { metadata: { reason: 'deadline' } } });
  expect(done.status?.state).toBe('TASK_STATE_COMPLETED');
});

it('leaves a message that comes meanwhile for the next turn, or as the answer to a question', async () => {
  const engine = await engines.start();
  const seen: string[] = [];
  const agent = engines.agent({
    async run(task) {
      if (textOf(task.message) === 'next') return void seen.push('next turn');
      await task.sleep('1h');
      const answer = await task.requestInput('Who?');
      seen.push(textOf(answer));
      return 'first turn';
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  const { run_at } = await tables.task(id!);
  await engine.submit(agent, { taskId: id, parts: [{ text: 'Ada' }] });
  await engine.submit(agent, { taskId: id, parts: [{ text: 'next' }] });
  expect(await tables.task(id!)).toMatchObject({ run_at, lease_owner: null, turn: 1 });
  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
  expect(seen).toEqual(['Ada', 'next turn']);
});

it('is ended by a message where the agent takes messages as interruptions', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    followUps: 'interrupt',
    async run(task) {
      if (textOf(task.message) === 'sleep') await task.sleep('1h');
      return `did ${textOf(task.message)}`;
    },
  });
  const { id } = await engine.submit(agent, 'sleep');
  await asleep(tables, id!);
  const done = await engine.send(agent, { taskId: id, parts: [{ text: 'wake up' }] });
  expect(textOf(done.status?.message)).toBe('did wake up');
  expect(await tables.task(id!)).toMatchObject({ turn: 2, run_at: null });
});

it('waits for a step beside it, and goes on in the same run where the step takes longer', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      const slept = new Gate();
      const quick = task.step('quick', () => void calls.push('quick'));
      const slow = task.step('slow', () => slept.opened.then(() => calls.push('slow')));
      await Promise.all([task.sleep('50ms').then(() => slept.open()), quick, slow]);
      await Promise.all([task.sleep('1h'), task.step('short', () => void calls.push('short'))]);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
  expect(calls).toEqual(['run', 'quick', 'slow', 'short', 'run']);
});

it('asks a question at once that is asked beside it', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const [, answer] = await Promise.all([task.sleep('100ms'), task.requestInput('Who?')]);
      return textOf(answer);
    },
  });
  const asked = await engine.send(agent, 'go');
  expect(asked.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
  const done = await engine.send(agent, { taskId: asked.id, parts: [{ text: 'Ada' }] });
  expect(textOf(done.status?.message)).toBe('Ada');
});

it.each([
  ['no time span', 'soon', /"soon" is not a duration/],
  ['a negative one', -1, /-1 is not a duration/],
  ['one without an end', Infinity, /not a duration/],
  ['more than ten years', '3654d', /longer than ten years/],
  ['no date', new Date('never'), /takes a Date that is valid/],
  ['a date that is too far away', new Date('9999-01-01'), /longer than ten years/],
])('fails the task where it is given %s', async (_, given, explanation) => {
  const engine = await engines.start();
  const agent = engines.agent({
    run: (task) => (given instanceof Date ? task.sleepUntil(given) : task.sleep(given)),
  });
  const task = await engine.send(agent, 'go');
  expect(task.status).toMatchObject({ state: 'TASK_STATE_FAILED', message: { metadata: { reason: 'error' } } });
  expect(engine.log.find(({ msg }) => msg === 'run.failed')).toMatchObject({
    final: true,
    err: { message: expect.stringMatching(explanation) },
  });
});

it('wakes the tasks beside one that cannot be read', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      await task.sleep('1h');
      return 'Done';
    },
  });
  const [broken, sound] = await Promise.all([engine.submit(agent, 'a'), engine.submit(agent, 'b')]);
  const ids = [broken.id!, sound.id!];
  await asleep(tables, ...ids);
  const [stored] = await tables.rows<{ message: string }>(
    `update perdure.task_messages m set message = 'not JSON' from perdure.task_messages old
     where m.task_id = $1 and old.task_id = m.task_id and old.ordinal = m.ordinal returning old.message`,
    [ids[0]],
  );
  // In one transaction, so that one look at the outbox takes them together.
  await tables.rows(
    `with j as (update perdure.task_journal set value = to_json(now())::text where task_id = any($1)),
       t as (update perdure.tasks set run_at = now() where id = any($1))
     update perdure.outbox set run_at = now() where task_id = any($1)`,
    [ids],
  );
  await tables.until(ids[1]!, 'COMPLETED');
  // It was claimed once since its acceptance.
  expect(await tables.task(ids[1]!)).toMatchObject({ lease_token: '2' });
  await tables.waitFor(async () => expect(engine.log.map(({ msg }) => msg)).toContain('run.not_loaded'));
  await tables.rows('update perdure.task_messages set message = $2 where task_id = $1', [ids[0], stored!.message]);
  await tables.until(ids[0]!, 'COMPLETED');
  expect(await tables.task(ids[0]!)).toMatchObject({ lost: 0, attempt: 0 });
});
