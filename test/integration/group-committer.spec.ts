import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AppendWrite,
  type CreateWrite,
  type GroupCommitter,
  IdempotencyKeyTakenError,
  InputPendingError,
  LeaseLostError,
  type NewPushConfig,
} from '#store';
import { append, creation, sessionOf, settlement, useCommitters } from '../support/committer.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const startCommitter = useCommitters();

/** What became of writes that were submitted in one turn, and so are flushed together. */
async function together(committer: GroupCommitter, writes: (CreateWrite | AppendWrite)[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(writes.map((write) => committer.submit(write)));
  return settled.map((each) => (each.status === 'fulfilled' ? 'committed' : (each.reason as Error)));
}

async function textsOf({ taskId }: CreateWrite): Promise<(string | undefined)[]> {
  const events = await tables.events(taskId);
  return events.slice(1).map(({ artifactUpdate }) => artifactUpdate?.artifact?.parts?.[0]?.text);
}

async function raiseToken({ taskId }: CreateWrite): Promise<number> {
  const [row] = await tables.rows<{ token: number }>(
    'update perdure.tasks set lease_token = lease_token + 1 where id = $1 returning lease_token::float8 as token',
    [taskId],
  );
  return row!.token;
}

function webhook(): NewPushConfig {
  const settings = { url: 'https://hooks.example/a', endpoint: 'https://hooks.example', secret: 'sealed', id: 'mine' };
  const without = { token: null, scheme: null, credentials: null, filter: null, dialect: null, clientTaskId: null };
  return { ...settings, ...without, uid: randomUUID(), owner: 'alice' };
}

// First in the file: these are about tables that nobody has written to.
describe('on empty tables', () => {
  /** The committer's own statements, explained by the server as it runs them on the committer's connection. */
  async function plans(writes: (task: CreateWrite) => (CreateWrite | AppendWrite)[]): Promise<string> {
    const notices: string[] = [];
    const committer = await startCommitter(database.url);
    const client = sessionOf(committer);
    client.on('notice', ({ message }) => notices.push(message ?? ''));
    await client.query(`load 'auto_explain'`);
    await client.query(`set auto_explain.log_min_duration = 0; set client_min_messages = log`);
    await together(committer, writes(creation()));
    return notices.join('\n');
  }

  const shapes = {
    append: (task: CreateWrite) => [append(task, ['a'])],
    both: (task: CreateWrite) => [creation(), append(task, ['a'])],
    'both, with a webhook': (task: CreateWrite) => [creation({ push: webhook() }), append(task, ['a'])],
  };
  it.each(Object.entries(shapes))('finds the rows of the shape "%s" by the primary key', async (_, writes) => {
    const plan = await plans(writes);
    expect(plan).toContain('Query Text: with');
    const ways = [...plan.matchAll(/(?:Index Scan|Index Only Scan|Seq Scan|Bitmap Heap Scan)[^\n]* on tasks\b/g)];
    const lines = [...plan.matchAll(/[^\n]*(?:Scan)[^\n]* on tasks\b[^\n]*/g)].map(([line]) => line.trim());
    expect(ways.length).toBeGreaterThanOrEqual(2);
    for (const line of lines) expect(line).toContain('using tasks_pkey on tasks');
  });
});

describe('GroupCommitter', () => {
  let committer: GroupCommitter;
  beforeAll(() => tables.rows('select 1'));
  const start = async () => (committer = await startCommitter(database.url));

  it('tells a stale and a current token of one task in one flush apart', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    const token = await raiseToken(task);
    const [stale, current] = await together(committer, [append(task, ['stale']), append(task, ['current'], { token })]);
    expect([stale, current]).toEqual([expect.any(LeaseLostError), 'committed']);
    expect(await textsOf(task)).toEqual(['current']);
  });

  it('inserts a task as its run has left it, which rests in the same flush', async () => {
    await start();
    const [listening, sleeping] = [creation(), creation()];
    const due = new Date(Date.now() + 3_600_000);
    const outcomes = await together(committer, [
      ...[listening, settlement(listening, 'WORKING', 2), append(listening, ['a'], { base: 2 })],
      append(listening, [], { base: 3, release: true, signals: 0 }),
      ...[sleeping, settlement(sleeping, 'WORKING', 2)],
      append(sleeping, [], { base: 2, release: true, due }),
    ]);
    expect(new Set(outcomes)).toEqual(new Set(['committed']));
    const released = { state: 2, lease_owner: null, lease_token: '1' };
    expect(await tables.task(listening.taskId)).toMatchObject({ ...released, listens: true, run_at: null });
    expect(await tables.task(sleeping.taskId)).toMatchObject({ ...released, listens: false, run_at: due });
    const jobs = 'select task_id, run_at from perdure.outbox where task_id = any($1)';
    expect(await tables.rows(jobs, [[listening.taskId, sleeping.taskId]])).toEqual([
      { task_id: sleeping.taskId, run_at: due },
    ]);
  });

  it('begins to count lost workers anew when a run rests, whatever it has said in the same flush', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    await tables.rows('update perdure.tasks set lost = 3 where id = $1', [task.taskId]);
    const rest = append(task, [], { base: 2, release: true, due: new Date() });
    await together(committer, [settlement(task, 'WORKING', 2), rest]);
    expect(await tables.task(task.taskId)).toMatchObject({ lease_owner: null, lost: 0 });
  });

  it('refuses an append to a task that is not there, or is of another tenant', async () => {
    await start();
    const [task, unknown] = [creation(), creation()];
    await committer.submit(task);
    const foreign = append({ ...task, tenantId: 'other' }, ['foreign']);
    const outcomes = await together(committer, [append(unknown, ['x']), foreign, append(task, ['own'])]);
    expect(outcomes).toEqual([expect.any(LeaseLostError), expect.any(LeaseLostError), 'committed']);
    expect(await textsOf(task)).toEqual(['own']);
  });

  const refused = {
    'an id that is no UUID': (task: CreateWrite) => creation({ ...task, taskId: 'no-uuid' }),
    'a number beyond its column': (task: CreateWrite) => creation({ ...task, state: 70_000 }),
    'a time that is none': (task: CreateWrite) => creation({ ...task, at: new Date(NaN) }),
    'a NUL character': (task: CreateWrite) => creation({ ...task, message: '{"a":"\0"}' }),
    'a record with a NUL character': (task: CreateWrite) =>
      append(task, ['x'], { journal: [{ turn: 1, branch: '', position: 1, kind: 'step', name: '\0', value: null }] }),
    'the id of a task that is there': (task: CreateWrite) => creation({ taskId: task.taskId }),
  };
  it.each(Object.entries(refused))('lets %s fail alone: its neighbours commit', async (_, write) => {
    await start();
    const tasks = Array.from({ length: 9 }, () => creation());
    await together(committer, tasks);
    const bad = creation();
    await committer.submit(bad);
    const neighbours: (CreateWrite | AppendWrite)[] = tasks.map((task) => append(task, ['a', 'b']));
    const created = Array.from({ length: 9 }, () => creation());
    const outcomes = await together(committer, [...neighbours, write(bad), ...created]);
    expect(outcomes[9]).toBeInstanceOf(Error);
    expect(outcomes[9]).not.toBeInstanceOf(LeaseLostError);
    expect(outcomes.toSpliced(9, 1)).toEqual(Array(18).fill('committed'));
    for (const task of tasks) expect(await textsOf(task)).toEqual(['a', 'b']);
    for (const task of created) expect((await tables.task(task.taskId)).last_sequence).toBe(1);
    expect(await textsOf(bad)).toEqual([]);
  });

  it('stores every text as it is, whatever is in it, and none of it in another’s place', async () => {
    await start();
    const texts = [
      ...[
        '',
        ' ',
        'null',
        'NULL',
        '{}',
        '{a,b}',
        'a","b',
        "it's",
        '\\',
        '\\"',
        '(',
        "');--",
        '$1',
        '%s',
        'ä\t\n',
        '\u001e',
        '\u001f',
      ],
      ...['🙂', '\u2028', 'a'.repeat(10_000), '\u007f', '‮', '/', 'true', '-0', '1e400'],
    ];
    const tasks = texts.map((text) => {
      const message = JSON.stringify({ text });
      const names = { tenantId: text, agent: text, contextId: text, owner: text, leaseOwner: `by ${text}` };
      return creation({
        ...names,
        message,
        request: message,
        idempotency: { key: text.slice(0, 500), requestHash: text },
      });
    });
    expect(await together(committer, tasks)).toEqual(texts.map(() => 'committed'));
    const writes = tasks.map((task, i) => {
      const record = {
        turn: 1,
        branch: '',
        position: 1,
        kind: 'step',
        name: texts[i]!,
        value: JSON.stringify(texts[i]),
      };
      return append(task, [texts[i]!, 'more'], {
        snapshot: JSON.stringify(texts[i]),
        journal: [record, { ...record, position: 2, value: null }],
      });
    });
    expect(await together(committer, writes)).toEqual(texts.map(() => 'committed'));
    for (const [i, { taskId }] of tasks.entries()) {
      const text = texts[i]!;
      const json = JSON.stringify(text);
      expect(await tables.rows('select * from perdure.tasks where id = $1', [taskId])).toMatchObject([
        {
          tenant_id: text,
          agent: text,
          context_id: text,
          owner: text,
          lease_owner: `by ${text}`,
          snapshot: json,
          snapshot_sequence: 3,
        },
      ]);
      expect(await textsOf(tasks[i]!)).toEqual([text, 'more']);
      const journal = await tables.journal(taskId);
      expect(journal.map(({ name, value }) => [name, value])).toEqual([
        [text, json],
        [text, null],
      ]);
      const [message] = await tables.rows<{ message: string; request: string }>(
        'select message, request from perdure.task_messages where task_id = $1',
        [taskId],
      );
      expect(message).toEqual({ message: JSON.stringify({ text }), request: JSON.stringify({ text }) });
      const [key] = await tables.rows('select key, request_hash from perdure.idempotency_keys where task_id = $1', [
        taskId,
      ]);
      expect(key).toEqual({ key: text.slice(0, 500), request_hash: text });
    }
  });

  it('refuses an idempotency key that is taken, alone, also twice in one flush', async () => {
    await start();
    const idempotency = { key: randomUUID(), requestHash: 'h' };
    const tasks = [creation({ idempotency }), creation(), creation({ idempotency }), creation()];
    const outcomes = await together(committer, tasks);
    expect(outcomes.filter((each) => each === 'committed')).toHaveLength(3);
    expect(outcomes.filter((each) => each instanceof IdempotencyKeyTakenError)).toHaveLength(1);
    await expect(committer.submit(creation({ idempotency }))).rejects.toBeInstanceOf(IdempotencyKeyTakenError);
    const [key] = await tables.rows<{ task_id: string }>(
      'select task_id from perdure.idempotency_keys where key = $1',
      [idempotency.key],
    );
    expect(tasks[outcomes[0] === 'committed' ? 0 : 2]!.taskId).toBe(key!.task_id);
  });

  it('merges the appends of a run into one row update and numbers their events without a gap', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    const texts = Array.from({ length: 100 }, (_, i) => String(i));
    const before = await tables.rows<{ xmin: string }>('select xmin from perdure.tasks where id = $1', [task.taskId]);
    await together(
      committer,
      texts.map((text, i) => append(task, [text], { base: 1 + i })),
    );
    expect(await textsOf(task)).toEqual(texts);
    expect(await tables.task(task.taskId)).toMatchObject({ last_sequence: 101 });
    const writers = await tables.rows('select distinct xmin from perdure.task_events where task_id = $1', [
      task.taskId,
    ]);
    expect(writers).toHaveLength(before.length + 1);
  });

  it('does not merge appends that do not follow one another', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    const outcomes = await together(committer, [append(task, ['2']), append(task, ['4'], { base: 3 })]);
    expect(outcomes).toEqual(['committed', expect.any(LeaseLostError)]);
    expect(await textsOf(task)).toEqual(['2']);
  });

  it('files a snapshot under the event it was made after, also when it is merged with later ones', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    const writes = [
      append(task, ['a']),
      append(task, ['b', 'c'], { base: 2, snapshot: '{}' }),
      append(task, ['d'], { base: 4 }),
    ];
    await together(committer, writes);
    expect(await tables.task(task.taskId)).toMatchObject({ last_sequence: 5, snapshot: '{}', snapshot_sequence: 4 });
  });

  it('keeps the time of a status that is merged with later events', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    const working = settlement(task, 'WORKING', 2, { at: new Date('2026-01-01T00:00:00.000Z') });
    const at = new Date('2026-01-01T00:00:05.000Z');
    const status = {
      ...working.status!,
      text: working.status!.text.replace(/"timestamp":"[^"]*"/, `"timestamp":"${working.at.toISOString()}"`),
    };
    const events = [JSON.stringify({ statusUpdate: { status: JSON.parse(status.text) as object } })];
    await together(committer, [{ ...working, status, events }, append(task, ['later'], { base: 2, at })]);
    const [row] = await tables.rows('select status_timestamp, last_modified from perdure.tasks where id = $1', [
      task.taskId,
    ]);
    expect(row).toEqual({ status_timestamp: working.at, last_modified: at });
  });

  it('fails a settlement alone when the client has sent more, and commits the emissions merged with it', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    await tables.rows(
      `with m as (insert into perdure.task_messages values ('acme', $1, 2, 2, '{}', null))
       update perdure.tasks set messages = 2, inputs = 2 where id = $1`,
      [task.taskId],
    );
    const end = settlement(task, 'COMPLETED', 3, { base: 3, inputs: 1 });
    const outcomes = await together(committer, [append(task, ['a']), append(task, ['b'], { base: 2 }), end]);
    expect(outcomes).toEqual(['committed', 'committed', expect.any(InputPendingError)]);
    expect(await textsOf(task)).toEqual(['a', 'b']);
    expect(await tables.task(task.taskId)).toMatchObject({ state: 1, lease_owner: 'worker' });
    await committer.submit({ ...end, inputs: 2 });
    expect(await tables.task(task.taskId)).toMatchObject({ state: 3, lease_owner: null, run_at: null });
  });

  it('says that the lease is lost, not that input waits, to a writer that has neither', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    await raiseToken(task);
    const end = settlement(task, 'COMPLETED', 3, { inputs: 7 });
    await expect(committer.submit(end)).rejects.toBeInstanceOf(LeaseLostError);
  });

  it('commits records with their events, each to its own task', async () => {
    await start();
    const tasks = Array.from({ length: 3 }, () => creation());
    await together(committer, tasks);
    const record = (name: string) => ({ turn: 1, branch: '', position: 1, kind: 'step', name, value: '1' });
    const writes = tasks.map((task, i) =>
      append(task, i === 1 ? [] : ['x'], { journal: i === 2 ? [] : [record(`s${i}`)] }),
    );
    expect(await together(committer, writes)).toEqual(Array(3).fill('committed'));
    const names = await Promise.all(
      tasks.map(async ({ taskId }) => (await tables.journal(taskId)).map(({ name }) => name)),
    );
    expect(names).toEqual([['s0'], ['s1'], []]);
  });

  it('keeps a run of any size within one message to Postgres', async () => {
    await start();
    const task = creation();
    await committer.submit(task);
    const text = 'x'.repeat(1_000_000);
    const texts = Array.from({ length: 24 }, (_, i) => `${i}${text}`);
    const outcomes = await together(
      committer,
      texts.map((each, i) => append(task, [each], { base: 1 + i })),
    );
    expect(outcomes).toEqual(Array(24).fill('committed'));
    const writers = await tables.rows<{ bytes: string }>(
      'select sum(length(event)) as bytes from perdure.task_events where task_id = $1 group by xmin::text',
      [task.taskId],
    );
    for (const { bytes } of writers) expect(Number(bytes)).toBeLessThan(12_000_000);
  });

  it('has no gap and no double when two committers write the same tasks in opposite order while tokens rise', async () => {
    const committers = [await startCommitter(database.url), await startCommitter(database.url)];
    const tasks = Array.from({ length: 30 }, () => creation());
    await together(committers[0]!, tasks);
    const held = new Map(tasks.map(({ taskId }) => [taskId, { token: 1, base: 1 }]));
    const acknowledged: string[] = [];
    const write = async (committer: GroupCommitter, task: CreateWrite, name: string) => {
      const { token, base } = held.get(task.taskId)!;
      const committed = await committer.submit(append(task, [name], { token, base })).then(
        () => true,
        (error) => {
          expect(error).toBeInstanceOf(LeaseLostError);
          return false;
        },
      );
      if (!committed) return;
      acknowledged.push(`${task.taskId} ${name}`);
      const now = held.get(task.taskId)!;
      if (now.token === token) held.set(task.taskId, { token, base: Math.max(now.base, base + 1) });
    };
    for (let round = 0; round < 20; round++) {
      const taken = tasks.filter((_, i) => (i + round) % 5 === 0);
      await Promise.all([
        ...tasks.map((task) => write(committers[0]!, task, `0-${round}`)),
        ...tasks.toReversed().map((task) => write(committers[1]!, task, `1-${round}`)),
        ...taken.map(async (task) => {
          const [row] = await tables.rows<{ token: number; base: number }>(
            `update perdure.tasks set lease_token = lease_token + 1 where id = $1
             returning lease_token::float8 as token, last_sequence as base`,
            [task.taskId],
          );
          held.set(task.taskId, row!);
        }),
      ]);
    }
    const stored = await Promise.all(
      tasks.map(async (task) => (await textsOf(task)).map((text) => `${task.taskId} ${text}`)),
    );
    expect(stored.flat().toSorted()).toEqual(acknowledged.toSorted());
    expect(acknowledged.length).toBeGreaterThan(30 * 5);
    await tables.expectSound();
  });
});
