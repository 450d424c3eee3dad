import { expect, it } from 'vitest';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { listening } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

function signal({ tasks }: Engine, taskId: string | undefined, name: string, value?: unknown, key?: string) {
  return tasks.taskSignals.deliver({ tenantId: 'acme', taskId: taskId! }, { name, value, key });
}

it('counts a signal once that is sent again under its key, even when the task has ended since', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: async (task) => JSON.stringify(await task.waitFor('a')) });
  const { id } = await engine.submit(agent, 'go');
  await signal(engine, id, 'other', 0, 'k');
  await listening(tables, id!);
  expect(await signal(engine, id, 'other', 0, 'k')).toEqual({ ordinal: 1, isNew: false });
  const twice = await Promise.all([signal(engine, id, 'a', { n: 1 }, 'k'), signal(engine, id, 'a', { n: 1 }, 'k')]);
  expect(twice.map(({ ordinal }) => ordinal)).toEqual([2, 2]);
  expect(twice.map(({ isNew }) => isNew).toSorted()).toEqual([false, true]);
  await tables.until(id!, 'COMPLETED');
  expect(JSON.parse(textOf((await engine.get(agent, id!)).status?.message))).toEqual({ n: 1 });
  expect(await signal(engine, id, 'a', { n: 1 }, 'k')).toEqual({ ordinal: 2, isNew: false });
  await expect(signal(engine, id, 'a', { n: 2 }, 'k')).rejects.toMatchObject({
    reason: 'INVALID_PARAMS',
    violations: [{ field: 'key', description: 'was used before for another value' }],
  });
});

it('refuses signals to tasks that have ended, are not there, or are of another tenant', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: (task) => task.waitFor('a').then(() => 'Done') });
  const [done, canceled] = [await engine.submit(agent, 'go'), await engine.submit(agent, 'go')];
  await listening(tables, done.id!, canceled.id!);
  await signal(engine, done.id, 'a');
  await tables.until(done.id!, 'COMPLETED');
  await engine.cancel(agent, canceled.id!);
  expect(await tables.task(canceled.id!)).toMatchObject({ run_at: null, listens: false });
  for (const { id } of [done, canceled]) {
    const refusal = { reason: 'UNSUPPORTED_OPERATION', message: 'The task has ended and takes no more signals' };
    await expect(signal(engine, id, 'a')).rejects.toMatchObject(refusal);
  }
  const there = { tenantId: 'other', taskId: done.id! };
  for (const to of [there, { ...there, taskId: crypto.randomUUID() }, { tenantId: 'acme', taskId: 'no-uuid' }]) {
    await expect(engine.tasks.taskSignals.deliver(to, { name: 'a' })).rejects.toMatchObject({
      reason: 'TASK_NOT_FOUND',
    });
  }
});

it('bounds how many signals a task takes, and how large they are', async () => {
  const engine = await engines.start({ config: { maxSignalsPerTask: 2, maxSignalBytes: 1024 } });
  const agent = engines.agent({ run: (task) => task.waitFor('never') });
  const { id } = await engine.submit(agent, 'go');
  await listening(tables, id!);
  await signal(engine, id, 'a', 'x'.repeat(1022));
  await expect(signal(engine, id, 'a', 'x'.repeat(1023))).rejects.toMatchObject({
    violations: [{ field: 'value', description: 'has 1025 bytes; the limit is 1024 (PERDURE_MAX_SIGNAL)' }],
  });
  await signal(engine, id, 'a', 2, 'k');
  await expect(signal(engine, id, 'a')).rejects.toMatchObject({
    reason: 'RESOURCE_EXHAUSTED',
    message: 'The task has 2 signals; that is the limit (PERDURE_MAX_SIGNALS)',
  });
  expect(await signal(engine, id, 'a', 2, 'k')).toEqual({ ordinal: 2, isNew: false });
  // What the server itself has to say is not held up by that.
  const own = { name: '$done', value: 3 } as const;
  const delivered = engine.tasks.taskSignals.deliverInternal({ tenantId: 'acme', taskId: id! }, own);
  expect(await delivered).toEqual({ ordinal: 3, isNew: true });
  await engine.cancel(agent, id!);
});

it.each([
  ['an empty name', { name: '' }, 'name'],
  ['a name of the server', { name: '$done' }, 'name'],
  ['a name with a slash', { name: 'a/b' }, 'name'],
  ['a name that is a path', { name: '..' }, 'name'],
  ['a name that is too long', { name: 'a'.repeat(129) }, 'name'],
  ['a value that the database cannot hold', { name: 'a', value: { deep: ['\0'] } }, 'value.deep[0]'],
  ['half of a character', { name: 'a', value: '\ud800' }, 'value'],
  ['a value that is not JSON', { name: 'a', value: { at: NaN } }, 'value.at'],
  ['an empty key', { name: 'a', key: '' }, 'key'],
  ['a key with a line break', { name: 'a', key: 'a\nb' }, 'key'],
  ['a key that is too long', { name: 'a', key: 'k'.repeat(256) }, 'key'],
])('refuses %s and names the field', async (_, sent, field) => {
  const engine = await engines.start({ runs: false });
  const to = { tenantId: 'acme', taskId: crypto.randomUUID() };
  await expect(engine.tasks.taskSignals.deliver(to, sent)).rejects.toMatchObject({
    reason: 'INVALID_PARAMS',
    violations: [{ field }],
  });
});
