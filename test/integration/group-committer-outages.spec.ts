import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AppendWrite, type CreateWrite, type GroupCommitter, LeaseLostError } from '#store';
import { append, COMMITTER, creation, sessionOf, settlement, useCommitters } from '../support/committer.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const startCommitter = useCommitters();
/** A connection in a busy moment takes less. */
const ANSWER_TIMEOUT_MS = 800;
let proxy: DatabaseProxy;

beforeEach(async () => {
  proxy = await DatabaseProxy.start(database.url);
});
afterEach(async () => {
  await proxy.close().catch(() => undefined);
});

const terminate = () => tables.terminate(COMMITTER);
const untilBlocked = () => tables.untilBlocked(COMMITTER);

/** Submits to the committer and tells, for each write, whether it was acknowledged. */
async function submitAll(committer: GroupCommitter, writes: (CreateWrite | AppendWrite)[]): Promise<boolean[]> {
  const settled = await Promise.allSettled(writes.map((write) => committer.submit(write)));
  return settled.map(({ status }) => status === 'fulfilled');
}

async function eventsOf(tasks: CreateWrite[]): Promise<number[]> {
  return Promise.all(tasks.map(async ({ taskId }) => (await tables.events(taskId)).length));
}

it('goes on after its idle connection was ended', async () => {
  const committer = await startCommitter(database.url);
  for (let i = 0; i < 3; i++) {
    await terminate();
    const task = creation();
    await committer.submit(task);
    expect(await eventsOf([task])).toEqual([1]);
  }
});

it('commits every write once when its connection is ended in the middle of a flush', async () => {
  const committer = await startCommitter(database.url);
  const tasks = Array.from({ length: 20 }, () => creation());
  await submitAll(committer, tasks);
  const release = await tables.hold(tasks[10]!.taskId);
  const created = creation();
  const acknowledged = submitAll(committer, [...tasks.map((task) => append(task, ['a', 'b'])), created]);
  await untilBlocked();
  await terminate();
  await release();
  expect(await acknowledged).toEqual(Array(21).fill(true));
  expect(await eventsOf(tasks)).toEqual(Array(20).fill(3));
  expect(await eventsOf([created])).toEqual([1]);
});

it('settles every write when connections are ended again and again, and stores the acknowledged ones once', async () => {
  const committer = await startCommitter(database.url);
  const tasks = Array.from({ length: 40 }, () => creation());
  let ended = 0;
  const ending = (async () => {
    for (; ended < 8; ended++) await terminate();
  })();
  const written = await Promise.all(
    tasks.map(async (task) => {
      await committer.submit(task);
      let base = 1;
      for (; ended < 8; base++) await committer.submit(append(task, [String(base)], { base }));
      return base;
    }),
  );
  await ending;
  expect(await eventsOf(tasks)).toEqual(written);
  await tables.expectSound();
});

it('finds out that a flush was committed whose answer was lost, and does not write it twice', async () => {
  const committer = await startCommitter(proxy.url);
  const task = creation();
  await committer.submit(task);
  const other = creation();
  const record = { turn: 1, branch: '', position: 1, kind: 'step', name: 's', value: '1' };
  const writes = [
    append(task, ['a']),
    append(task, [], { base: 2, journal: [record] }),
    settlement(task, 'COMPLETED', 3, { base: 2, inputs: 1 }),
    other,
  ];
  const lost = proxy.loseNextAnswer(COMMITTER);
  const acknowledged = await submitAll(committer, writes);
  await lost;
  expect(acknowledged).toEqual(Array(4).fill(true));
  expect(await eventsOf([task, other])).toEqual([3, 1]);
  expect(await tables.journal(task.taskId)).toHaveLength(1);
  expect(await tables.task(task.taskId)).toMatchObject({ state: 3, run_at: null });
  await tables.expectSound();
});

it('finds out that a task was committed together with the rest of its run, and leaves both as they are', async () => {
  const committer = await startCommitter(proxy.url);
  const task = creation();
  const record = { turn: 1, branch: '', position: 1, kind: 'uuid', name: null, value: '1' };
  const writes = [
    ...[task, settlement(task, 'WORKING', 2), append(task, [], { base: 2, journal: [record] })],
    append(task, [], { base: 2, release: true, signals: 0 }),
  ];
  const lost = proxy.loseNextAnswer(COMMITTER);
  const acknowledged = await submitAll(committer, writes);
  await lost;
  expect(acknowledged).toEqual(Array(4).fill(true));
  expect(await eventsOf([task])).toEqual([2]);
  expect(await tables.journal(task.taskId)).toHaveLength(1);
  expect(await tables.task(task.taskId)).toMatchObject({ lease_owner: null, listens: true, run_at: null });
});

it('tells a refused write whose answer was lost that its lease is lost', async () => {
  const committer = await startCommitter(proxy.url);
  const task = creation();
  await committer.submit(task);
  const lost = proxy.loseNextAnswer(COMMITTER);
  const stale = committer.submit(append(task, ['stale'], { token: 0 }));
  await lost;
  await expect(stale).rejects.toBeInstanceOf(LeaseLostError);
  expect(await eventsOf([task])).toEqual([1]);
});

it('does not take what a successor has recorded in the same place for its own record, when the answer was lost', async () => {
  const committer = await startCommitter(proxy.url);
  const task = creation();
  await committer.submit(task);
  const record = { turn: 1, branch: '', position: 1, kind: 'step', name: 's', value: '"the successor’s"' };
  await tables.rows('update perdure.tasks set lease_token = 2 where id = $1', [task.taskId]);
  await committer.submit(append(task, [], { token: 2, journal: [record] }));
  const lost = proxy.loseNextAnswer(COMMITTER);
  const stale = committer.submit(append(task, [], { journal: [{ ...record, value: '"its own"' }] }));
  await lost;
  await expect(stale).rejects.toBeInstanceOf(LeaseLostError);
  expect(await tables.journal(task.taskId)).toMatchObject([{ value: record.value }]);
});

it('tells why a write was refused when the answer to that question is lost too', async () => {
  const committer = await startCommitter(proxy.url);
  const task = creation();
  await committer.submit(task);
  const lost = proxy.loseNextAnswer(COMMITTER, 1);
  const outcomes = Promise.allSettled([committer.submit(append(task, ['stale'], { token: 0 }))]);
  await lost;
  expect(await outcomes).toMatchObject([{ status: 'rejected', reason: { name: 'LeaseLostError' } }]);
});

it('does not wait for a backend that has not noticed that its line is dead', async () => {
  const committer = await startCommitter(proxy.url);
  const task = creation();
  await committer.submit(task);
  const release = await tables.hold(task.taskId);
  const acknowledged = submitAll(committer, [append(task, ['a'])]);
  await untilBlocked();
  proxy.loseClientSide(COMMITTER);
  // Both the old backend and the new one may want the row now; the old one is not there to take it.
  await tables.waitFor(async () => expect(proxy.count(COMMITTER)).toBe(1));
  await release();
  expect(await acknowledged).toEqual([true]);
  expect(await eventsOf([task])).toEqual([2]);
});

it('gives a line up that does not answer', async () => {
  const committer = await startCommitter(database.url, { answerTimeoutMs: ANSWER_TIMEOUT_MS });
  const task = creation();
  await committer.submit(task);
  const release = await tables.hold(task.taskId);
  const acknowledged = submitAll(committer, [append(task, ['a'])]);
  await untilBlocked();
  const [first] = await tables.backends(COMMITTER);
  await tables.waitFor(async () => {
    const pids = (await tables.backends(COMMITTER)).map(({ pid }) => pid);
    expect(pids).toHaveLength(1);
    expect(pids).not.toContain(first!.pid);
  });
  await release();
  expect(await acknowledged).toEqual([true]);
  expect(await eventsOf([task])).toEqual([2]);
});

it('refuses new tasks once the database has been away for its time, keeps what runs write, and goes on afterwards', async () => {
  const committer = await startCommitter(proxy.url, { answerTimeoutMs: ANSWER_TIMEOUT_MS });
  const task = creation();
  await committer.submit(task);
  proxy.refuse(true);
  const kept = committer.submit(append(task, ['a']));
  // What was sent before nobody can tell of; these come after.
  await tables.waitFor(() => expect(committer.check()).rejects.toThrow('not connected'));
  const unavailable = { reason: 'UNAVAILABLE', retryAfterMs: 1_000 };
  const [waiting, late] = [creation(), creation()];
  await expect(committer.submit(waiting)).rejects.toMatchObject(unavailable);
  await expect(committer.submit(late)).rejects.toMatchObject(unavailable);
  proxy.refuse(false);
  await kept;
  await committer.submit(creation());
  expect(await eventsOf([task, waiting, late])).toEqual([2, 0, 0]);
});

it('leaves a session that takes no writes any more, and writes on another one what runs have given it', async () => {
  const committer = await startCommitter(database.url);
  const task = creation();
  await committer.submit(task);
  await sessionOf(committer).query('set default_transaction_read_only = on');
  const created = creation();
  const [kept, refused] = await Promise.allSettled(
    [append(task, ['a']), created].map((each) => committer.submit(each)),
  );
  expect(kept).toMatchObject({ status: 'fulfilled' });
  // Nothing was written, and its caller can be told so at once.
  expect(refused).toMatchObject({ status: 'rejected', reason: { reason: 'UNAVAILABLE', retryAfterMs: 1_000 } });
  await committer.submit(append(task, ['b'], { base: 2 }));
  expect(await eventsOf([task, created])).toEqual([3, 0]);
});

it('does not settle for a database that takes no writes: it waits for one that does', async () => {
  const committer = await startCommitter(database.url, { answerTimeoutMs: ANSWER_TIMEOUT_MS });
  const task = creation();
  await committer.submit(task);
  const name = new URL(database.url).pathname.slice(1);
  await tables.rows(`alter database ${name} set default_transaction_read_only = on`);
  await terminate();
  const kept = committer.submit(append(task, ['a']));
  const waiting = committer.submit(creation());
  await expect(waiting).rejects.toMatchObject({ reason: 'UNAVAILABLE', retryAfterMs: 1_000 });
  await expect(committer.check()).rejects.toThrow('not connected');
  await tables.rows(`alter database ${name} reset default_transaction_read_only`);
  await kept;
  await committer.submit(creation());
  expect(await eventsOf([task])).toEqual([2]);
});

it('is not misled by a code of Node’s that looks like one of Postgres’', async () => {
  const committer = await startCommitter(database.url);
  const task = creation();
  const session: { query: (...args: unknown[]) => unknown } = sessionOf(committer);
  session.query = () => Promise.reject(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  await committer.submit(task);
  expect(await eventsOf([task])).toEqual([1]);
});

it('commits what was submitted before it was stopped, and refuses what comes later', async () => {
  const committer = await startCommitter(database.url);
  const tasks = Array.from({ length: 600 }, () => creation());
  const acknowledged = submitAll(committer, tasks);
  await committer.stop();
  expect(await acknowledged).toEqual(Array(600).fill(true));
  await expect(committer.submit(creation())).rejects.toThrow('stopped');
});

it('can be stopped while the database is away: what waits fails', async () => {
  const committer = await startCommitter(proxy.url);
  await proxy.close();
  const acknowledged = submitAll(committer, [creation(), creation()]);
  await committer.stop();
  expect(await acknowledged).toEqual([false, false]);
});
