import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { ListTasksRequestSchema, ListTasksResponseSchema, TaskState, toJsonObject } from '#protocol';
import { call, type Caller, type Engine, textOf, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
let engine: Engine;
const agent = engines.agent({
  async run(task) {
    const text = textOf(task.message);
    await task.artifact({ name: 'a.txt' }).write(text);
    if (text.startsWith('ask')) await task.requestInput('Which?');
    return `did ${text}`;
  },
});
const other = engines.agent({ run: () => 'Done' });

/** Tasks of the agent, oldest first: 12 completed in two contexts, then 5 that wait. */
const ids: string[] = [];

beforeAll(async () => {
  const first = await engines.start();
  for (let i = 0; i < 17; i++) {
    const text = i < 12 ? `go ${i}` : `ask ${i}`;
    const task = await first.send(agent, { contextId: i % 2 === 0 ? 'even' : 'odd', parts: [{ text }] });
    ids.push(task.id!);
  }
  await first.send(other, 'go');
  await first.send(agent, 'go', { caller: { tenant: 'other' } });
  await first.stop();
  // Times that tests can name; some tasks share theirs.
  for (const [i, id] of ids.entries()) {
    const at = new Date(Date.UTC(2026, 0, 1, 0, 0, i >> 1)).toISOString();
    await tables.rows(
      `with t as (update perdure.tasks set status_timestamp = $2::text::timestamptz, status = jsonb_set(status::jsonb, '{timestamp}', to_jsonb($2::text)) where id = $1 returning *)
       update perdure.task_events e set event = jsonb_set(event::jsonb, '{statusUpdate,status}', t.status::jsonb)
       from t where e.task_id = t.id and e.sequence = t.last_sequence`,
      [id, at],
    );
  }
});

beforeEach(async () => {
  engine = await engines.start({ runs: false });
});

async function list(fields: MessageInitShape<typeof ListTasksRequestSchema> = {}, caller: Caller = {}, name = agent) {
  const response = await engine.tasks.service.listTasks(create(ListTasksRequestSchema, fields), call(name, caller));
  return toJsonObject(ListTasksResponseSchema, response);
}

const newestFirst = () =>
  ids
    .map((id, i) => ({ id, time: i >> 1 }))
    .toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1))
    .map(({ id }) => id);
const idsOf = ({ tasks }: Awaited<ReturnType<typeof list>>) => tasks?.map(({ id }) => id);

it('lists the tasks of the agent and the tenant, newest status first, with the exact total', async () => {
  const page = await list();
  expect(idsOf(page)).toEqual(newestFirst());
  expect(page).toMatchObject({ totalSize: 17, pageSize: 50, nextPageToken: '' });
  expect(await list({}, {}, other)).toMatchObject({ totalSize: 1 });
  expect(await list({}, { tenant: 'other' })).toMatchObject({ totalSize: 1 });
  expect(await list({}, { tenant: 'nobody' })).toEqual({ tasks: [], nextPageToken: '', pageSize: 50, totalSize: 0 });
});

it('gives every task once over its pages, whatever their size', async () => {
  for (const pageSize of [1, 4, 16, 17, 18]) {
    const seen: unknown[] = [];
    let pageToken = '';
    do {
      const page = await list({ pageSize, pageToken });
      expect(page).toMatchObject({ pageSize, totalSize: 17 });
      expect(page.tasks!.length).toBeLessThanOrEqual(pageSize);
      seen.push(...idsOf(page)!);
      pageToken = page.nextPageToken!;
    } while (pageToken !== '');
    expect(seen).toEqual(newestFirst());
  }
});

it('goes on where it was when tasks are added between two pages', async () => {
  const worker = await engines.start();
  const own = engines.agent({ run: () => 'Done' });
  const old: unknown[] = [];
  for (let i = 0; i < 5; i++) old.unshift((await worker.send(own, 'go')).id);
  const first = await list({ pageSize: 3 }, {}, own);
  await worker.send(own, 'new');
  const rest = await list({ pageSize: 3, pageToken: first.nextPageToken }, {}, own);
  expect([...idsOf(first)!, ...idsOf(rest)!]).toEqual(old);
  expect([first.totalSize, rest.totalSize, rest.nextPageToken]).toEqual([5, 6, '']);
});

it('filters by context, state and time, alone and together', async () => {
  expect((await list({ contextId: 'odd' })).totalSize).toBe(8);
  expect((await list({ contextId: 'nowhere' })).totalSize).toBe(0);
  const waiting = await list({ status: TaskState.INPUT_REQUIRED });
  expect(waiting).toMatchObject({ totalSize: 5 });
  expect(idsOf(waiting)).toEqual(newestFirst().filter((id) => ids.indexOf(id) >= 12));
  expect((await list({ status: TaskState.FAILED })).totalSize).toBe(0);
  const both = await list({ contextId: 'even', status: TaskState.INPUT_REQUIRED, pageSize: 2 });
  expect(both).toMatchObject({ totalSize: 3 });
  expect(both.tasks).toHaveLength(2);
  expect(both.nextPageToken).not.toBe('');
});

it('takes the boundary of a time filter in', async () => {
  const at = (second: number, ms = 0) => timestampFromDate(new Date(Date.UTC(2026, 0, 1, 0, 0, second, ms)));
  expect((await list({ statusTimestampAfter: at(8) })).totalSize).toBe(1);
  expect((await list({ statusTimestampAfter: at(7) })).totalSize).toBe(3);
  expect((await list({ statusTimestampAfter: at(7, 1) })).totalSize).toBe(1);
  expect((await list({ statusTimestampAfter: at(9) })).totalSize).toBe(0);
  // What a client reads in a task finds that task.
  const [task] = (await list({ pageSize: 1, pageToken: (await list({ pageSize: 3 })).nextPageToken })).tasks!;
  const read = timestampFromDate(new Date(task!.status!.timestamp!));
  expect(idsOf(await list({ statusTimestampAfter: read }))).toContain(task!.id);
});

it('shows artifacts only when asked, and as much history as asked', async () => {
  const [bare] = (await list({ pageSize: 1 })).tasks!;
  expect(bare).not.toHaveProperty('artifacts');
  expect(bare!.history?.map(textOf)).toEqual(['ask 16']);
  const [full] = (await list({ pageSize: 1, includeArtifacts: true, historyLength: 0 })).tasks!;
  expect(full!.artifacts?.[0]).toMatchObject({ name: 'a.txt', parts: [{ text: 'ask 16' }] });
  expect(full).not.toHaveProperty('history');
  expect(full!.metadata).toEqual({ createdAt: expect.any(String), lastModified: expect.any(String) });
});

it('refuses wrong values, naming the field', async () => {
  const refused = (fields: MessageInitShape<typeof ListTasksRequestSchema>) =>
    list(fields).then(
      () => 'answered',
      (error) => `${error.reason} ${error.violations?.[0]?.field}`,
    );
  expect(await refused({ pageSize: 0 })).toBe('INVALID_PARAMS pageSize');
  expect(await refused({ pageSize: -1 })).toBe('INVALID_PARAMS pageSize');
  expect(await refused({ pageSize: 101 })).toBe('INVALID_PARAMS pageSize');
  expect(await refused({ pageSize: 100 })).toBe('answered');
  expect(await refused({ historyLength: -1 })).toBe('INVALID_PARAMS historyLength');
  expect(await refused({ status: 99 as TaskState })).toBe('INVALID_PARAMS status');
  expect(await refused({ status: 70_000 as TaskState })).toBe('INVALID_PARAMS status');
  const never = { $typeName: 'google.protobuf.Timestamp' as const, seconds: 9_000_000_000_000n, nanos: 0 };
  expect(await refused({ statusTimestampAfter: never })).toBe('INVALID_PARAMS statusTimestampAfter');
  expect(await refused({ statusTimestampAfter: { ...never, seconds: -(2n ** 62n) } })).toBe(
    'INVALID_PARAMS statusTimestampAfter',
  );
});

it('refuses a page token that it did not issue for this list', async () => {
  const { nextPageToken } = await list({ pageSize: 2 });
  const refused = (fields: MessageInitShape<typeof ListTasksRequestSchema>, caller?: Caller, name?: string) =>
    list({ pageToken: nextPageToken, ...fields }, caller, name).then(
      String,
      (error) => `${error.reason} ${error.violations?.[0]?.field}`,
    );
  const token = 'INVALID_PARAMS pageToken';
  expect(await refused({ contextId: 'odd' })).toBe(token);
  expect(await refused({ status: TaskState.COMPLETED })).toBe(token);
  expect(await refused({}, { tenant: 'other' })).toBe(token);
  expect(await refused({}, {}, other)).toBe(token);
  const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url');
  const [hash, time, id] = JSON.parse(Buffer.from(nextPageToken!, 'base64url').toString()) as [string, number, string];
  const nonsense = [
    'x',
    '🙂',
    'null',
    forged(),
    forged(null),
    forged(hash, '1', id),
    forged(hash, time, "'; drop table"),
    'A'.repeat(100_000),
  ];
  for (const pageToken of nonsense) expect(await refused({ pageToken }), pageToken.slice(0, 20)).toBe(token);
  for (const odd of [-8.64e15, 8.64e15, 9e15, -1, 1.5]) {
    expect(await refused({ pageToken: forged(hash, odd, id) }), String(odd)).toMatch(/INVALID_PARAMS pageToken|object/);
  }
  expect(idsOf(await list({ pageToken: forged(hash, time, id) }))).toHaveLength(15);
});

it('counts exactly while tasks are created, moved and canceled from everywhere', async () => {
  const [first, second] = [await engines.start(), await engines.start()];
  const busy = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      const text = textOf(task.message);
      if (text === 'fail') throw new Error('no');
      if (text !== 'return') await task.requestInput('?');
    },
  });
  await Promise.all(
    Array.from({ length: 120 }, async (_, i) => {
      const [here, there] = i % 2 === 0 ? [first, second] : [second, first];
      const task = await here.send(busy, ['return', 'fail', 'ask', 'answer', 'cancel', 'answer'][i % 6]!);
      if (i % 6 === 3 || i % 6 === 5) await there.send(busy, { taskId: task.id });
      if (i % 6 === 4) await there.cancel(busy, task.id!);
    }),
  );
  const count = async (status?: TaskState) => (await list({ status }, {}, busy)).totalSize;
  expect(await count()).toBe(120);
  expect(await count(TaskState.COMPLETED)).toBe(60);
  expect(await count(TaskState.FAILED)).toBe(20);
  expect(await count(TaskState.INPUT_REQUIRED)).toBe(20);
  expect(await count(TaskState.CANCELED)).toBe(20);
  expect(await count(TaskState.WORKING)).toBe(0);
  await tables.expectSound();
});
