import { describe, expect, it } from 'vitest';
import { type Engine, useEngines } from '../support/engine.js';
import { asleep } from '../support/hasten.js';
import { act, idsOf } from '../support/operator.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

const keyOf = (taskId: string | undefined, tenantId = 'acme') => ({ tenantId, taskId: taskId! });
const caller = (tenant: string) => ({ caller: { tenant } });

/** An agent that does as its message says. */
function versatile() {
  return engines.agent({
    retry: { attempts: 2, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
    async run(task) {
      const [{ text }] = task.message.parts as [{ text: string }];
      if (text === 'fail') await task.status({ text: 'x', nonsense: 1 } as never);
      if (text === 'retry') throw new Error('later');
      if (text === 'sleep') await task.sleep('1h');
      if (text === 'ask') await task.requestInput('Which?');
      if (text === 'wait') await task.waitFor('paid');
      return 'Done';
    },
  });
}

async function oneOfEach(engine: Engine, agent: string, tenant = 'acme') {
  const send = async (text: string) => (await engine.submit(agent, text, caller(tenant))).id!;
  const ids = {
    ...{ failed: await send('fail'), retry: await send('retry'), sleep: await send('sleep'), ask: await send('ask') },
    ...{ wait: await send('wait'), done: await send('do') },
  };
  await tables.until(ids.failed, 'FAILED');
  await tables.until(ids.ask, 'INPUT_REQUIRED');
  await tables.until(ids.done, 'COMPLETED');
  await asleep(tables, ids.sleep, ids.retry);
  await tables.waitFor(async () =>
    expect((await engine.tasks.operator.show(keyOf(ids.wait, tenant))).waitsFor).toBe('signal'),
  );
  return ids;
}

describe('the operators’ list', () => {
  it('finds tasks by what they are and by what they wait for, across tenants and agents', async () => {
    const engine = await engines.start();
    const agent = versatile();
    const [here, there] = [await oneOfEach(engine, agent), await oneOfEach(engine, agent, 'other')];
    const found = (filter: object) => idsOf(engine, { agent, ...filter });

    expect(await found({})).toEqual([...Object.values(here), ...Object.values(there)]);
    expect(await found({ tenantId: 'other' })).toEqual(Object.values(there));
    expect(await found({ dead: true })).toEqual([here.failed, there.failed]);
    expect(await found({ reason: 'error' })).toEqual([here.failed, there.failed]);
    expect(await found({ reason: 'timeout' })).toEqual([]);
    expect(await found({ state: 4, tenantId: 'acme' })).toEqual([here.failed]);
    expect(await found({ state: 3 })).toEqual([here.done, there.done]);
    for (const [waitsFor, id] of [
      ...([
        ['input', here.ask],
        ['timer', here.sleep],
      ] as const),
      ...([
        ['retry', here.retry],
        ['signal', here.wait],
      ] as const),
    ]) {
      expect(await found({ waitsFor, tenantId: 'acme' }), waitsFor).toEqual([id]);
    }
    expect(await found({ open: true, tenantId: 'acme' })).toEqual([here.retry, here.sleep, here.ask, here.wait]);
    expect(await found({ olderThanMs: 60_000 })).toEqual([]);
    expect(await found({ youngerThanMs: 60_000, dead: true })).toEqual([here.failed, there.failed]);
    expect(await idsOf(engine, { agent: 'nobody' })).toEqual([]);
  });

  it('pages without a gap or a double, whatever the size of the page', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    for (let i = 0; i < 7; i++) await engine.send(agent, 'go', caller(i % 2 ? 'acme' : 'zoo'));
    const everything = await idsOf(engine, { agent });
    expect(new Set(everything)).toHaveProperty('size', 7);
    for (const limit of [1, 2, 3, 7]) expect(await idsOf(engine, { agent }, limit)).toEqual(everything);
  });

  it('looks at a bounded number of rows for a page, and goes on behind them', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    const { id } = await engine.send(agent, 'go', caller('zz'));
    await tables.rows(
      `insert into perdure.tasks (tenant_id, id, agent, context_id, owner, state, status, status_timestamp, created_at,
         last_modified, last_sequence, messages, inputs, lease_token)
       select 'many', gen_random_uuid(), 'crowd', 'c', 'o', 3, '{}', now(), now(), now(), 1, 1, 1, 0 from generate_series(1, 6000)`,
    );
    try {
      const first = await engine.tasks.operator.list({ agent }, 10);
      expect(first.items).toEqual([]);
      expect(first.next).toBeDefined();
      const second = await engine.tasks.operator.list({ agent }, 10, first.next);
      expect(second.items.map((task) => task.id)).toEqual([id]);
      expect(second.next).toBeUndefined();
    } finally {
      await tables.rows(`delete from perdure.tasks where tenant_id = 'many'`);
    }
  });

  it('has an index for dead letters, which the hot path’s own lookup does not take', async () => {
    const plan = async (text: string) =>
      (await tables.rows<{ 'QUERY PLAN': string }>(`explain ${text}`)).map((row) => row['QUERY PLAN']).join('\n');
    await tables.rows('set enable_seqscan = off');
    expect(
      await plan(`select id from perdure.tasks where state = 4 and (tenant_id, id) > ('a', gen_random_uuid())
        order by tenant_id, id limit 5000`),
    ).toContain('tasks_failed');
    expect(await plan(`select id from perdure.tasks where tenant_id = 'a' and id = gen_random_uuid()`)).not.toContain(
      'tasks_failed',
    );
  });
});

describe('one task', () => {
  it('is shown with all that its operator needs', async () => {
    const engine = await engines.start();
    const agent = versatile();
    const { failed, retry } = await oneOfEach(engine, agent);
    const shown = await engine.tasks.operator.show(keyOf(failed));
    expect(shown).toMatchObject({
      ...{ tenant: 'acme', id: failed, agent, served: true, agentVersion: '1.0.0', owner: 'alice' },
      ...{ state: 'TASK_STATE_FAILED', reason: 'error', errorId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      ...{ events: 3, messages: 1, inputs: 1, turn: 1, attempt: 0, lost: 0 },
    });
    expect(shown).not.toHaveProperty('waitsFor');
    expect(await engine.tasks.operator.show(keyOf(retry))).toMatchObject({
      ...{ state: 'TASK_STATE_WORKING', waitsFor: 'retry', attempt: 1, runAt: expect.any(Date) },
    });
    for (const id of ['nonsense', '00000000-0000-7000-8000-000000000000']) {
      await expect(engine.tasks.operator.show(keyOf(id))).rejects.toMatchObject({ reason: 'TASK_NOT_FOUND' });
    }
    await expect(engine.tasks.operator.show(keyOf(failed, 'other'))).rejects.toMatchObject({
      reason: 'TASK_NOT_FOUND',
    });
  });

  it('has its events with numbers and times, page by page', async () => {
    const engine = await engines.start();
    const agent = engines.agent({
      async run(task) {
        for (let i = 1; i <= 5; i++) await task.status(`Step ${i}`);
      },
    });
    const { id } = await engine.send(agent, 'go');
    const first = await engine.tasks.operator.events(keyOf(id), 0, 3);
    const rest = await engine.tasks.operator.events(keyOf(id), first.next!, 100);
    expect([...first.items, ...rest.items].map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...first.items, ...rest.items].map(({ event }) => event)).toEqual(await tables.events(id!));
    expect(rest.next).toBeUndefined();
    expect(rest.items[0]!.at).toBeInstanceOf(Date);
  });

  it('has its journal in the order of the handler, with small values at once and large ones by their place', async () => {
    const engine = await engines.start({ config: { maxResultBytes: 10_000_000 } });
    const agent = engines.agent({
      async run(task) {
        await task.step('large', () => 'x'.repeat(100_000));
        await task.all({
          right: (branch) => branch.random(),
          left: (branch) => branch.step('small', () => ({ n: 1 })),
        });
        for (let i = 3; i <= 11; i++) await task.step(`step ${i}`, () => undefined);
      },
    });
    const { id } = await engine.send(agent, 'go');
    const { operator } = engine.tasks;

    const first = await operator.journal(keyOf(id), { limit: 3 });
    const rest = await operator.journal(keyOf(id), { limit: 100, after: first.next });
    const records = [...first.items, ...rest.items];

    expect(records.map(({ place }) => place)).toEqual([
      ...['1', '2', '2.left.1', '2.right.1', '3', '4', '5', '6', '7', '8', '9', '10', '11'],
    ]);
    expect(records[0]).toEqual({ place: '1', kind: 'step', name: 'large', bytes: 100_002 });
    expect(records[2]).toEqual({ place: '2.left.1', kind: 'step', name: 'small', bytes: 7, value: { n: 1 } });
    expect(rest.next).toBeUndefined();
    expect((await operator.record(keyOf(id), { branch: '', position: 1 })).value).toBe('x'.repeat(100_000));
    await expect(operator.record(keyOf(id), { branch: '', position: 12 })).rejects.toThrow(
      /place has no record in turn 1: 12/,
    );
    await expect(operator.journal(keyOf(id), { limit: 1, turn: 2 })).rejects.toThrow(/turn must be from 1 to 1/);
  });
});

describe('an action by filter', () => {
  it('goes through its tasks once, in batches, also where they fail again', async () => {
    const engine = await engines.start();
    const runs: string[] = [];
    const agent = engines.agent({
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      run(task) {
        runs.push(task.id);
        throw new Error('still down');
      },
    });
    const ids = await Promise.all(Array.from({ length: 5 }, async () => (await engine.send(agent, 'go')).id!));
    const selection = { filter: { agent }, limit: 2 };
    const reports = [];
    let page = await engine.tasks.operator.act({ kind: 'redrive' }, selection);
    for (; page.next; page = await engine.tasks.operator.act({ kind: 'redrive' }, { ...selection, after: page.next })) {
      expect(page.items).toHaveLength(2);
      reports.push(...page.items);
    }
    reports.push(...page.items);

    expect(reports.map(({ id, outcome }) => `${id} ${outcome}`).sort()).toEqual(ids.map((id) => `${id} done`).sort());
    await tables.waitFor(async () => expect(runs).toHaveLength(10));
    for (const id of ids) await tables.until(id, 'FAILED');
  });

  it('is for the tasks that it can be for', async () => {
    const engine = await engines.start();
    const agent = versatile();
    const { retry, sleep, ask, wait } = await oneOfEach(engine, agent);
    const idsFor = async (action: Parameters<typeof engine.tasks.operator.act>[0]) =>
      (await engine.tasks.operator.act(action, { filter: { agent }, limit: 100 }, true)).items.map(({ id }) => id);
    expect(await idsFor({ kind: 'retry' })).toEqual([retry]);
    expect(await idsFor({ kind: 'cancel' })).toEqual([retry, sleep, ask, wait]);
    expect(await idsFor({ kind: 'reset' })).toEqual([retry, sleep, ask, wait]);
  });

  it('answers a signal that is sent again under its key like the first time, also when the task has ended since', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: (task) => task.waitFor('go').then(() => 'Done') });
    const { id } = await engine.submit(agent, 'go');
    const keys = [{ tenantId: 'acme', taskId: id! }];
    const go = { kind: 'signal', name: 'go', key: 'k' } as const;
    const { items } = await engine.tasks.operator.act(go, { keys });
    expect(items).toMatchObject([{ outcome: 'done', text: 'signal 1 of the task' }]);
    await tables.until(id!, 'COMPLETED');
    const again = await engine.tasks.operator.act(go, { keys });
    expect(again.items).toMatchObject([{ outcome: 'done', text: 'signal 1 of the task, which was there before' }]);
    const other = await engine.tasks.operator.act({ ...go, key: 'other' }, { keys });
    expect(other.items).toMatchObject([{ outcome: 'refused', code: 'ENDED' }]);
  });

  it('does not call a signal too late of which the database has not answered: it may be there, and have ended the task', async () => {
    const engine = await engines.start({ config: { databaseTimeoutMs: 800 } });
    const { id } = await engine.submit(versatile(), 'do');
    await tables.until(id!, 'COMPLETED');
    const letGo = await tables.hold(id!);
    const go = { kind: 'signal', name: 'paid', key: 'k' } as const;
    const { items } = await engine.tasks.operator.act(go, { keys: [{ tenantId: 'acme', taskId: id! }] });
    await letGo();
    expect(items).toMatchObject([{ outcome: 'refused', code: expect.not.stringMatching('ENDED') as string }]);
  });

  it('reports on every task of a signal, also where a key stands for another value in one of them', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: (task) => task.sleep('1h') });
    const ids = [(await engine.submit(agent, 'a')).id!, (await engine.submit(agent, 'b')).id!];
    await asleep(tables, ...ids);
    const keys = ids.map((taskId) => ({ tenantId: 'acme', taskId }));
    const signal = (value: number) => ({ kind: 'signal', name: 'go', key: 'k', value }) as const;
    await engine.tasks.operator.act(signal(1), { keys: keys.slice(0, 1) });

    const { items } = await engine.tasks.operator.act(signal(2), { keys });

    expect(items).toMatchObject([
      { id: ids[0], outcome: 'refused', code: 'INVALID_PARAMS', text: expect.stringMatching(/key was used before/) },
      { id: ids[1], outcome: 'done' },
    ]);
  });

  it('cancels, with the clean-up of the agent where it is served', async () => {
    const engine = await engines.start();
    const cleaned: string[] = [];
    const agent = engines.agent({ run: (task) => task.sleep('1h'), onCancel: (task) => void cleaned.push(task.id) });
    const [one, gone] = [(await engine.submit(agent, 'go')).id!, (await engine.submit(agent, 'go')).id!];
    await asleep(tables, one, gone);
    await tables.rows(`update perdure.tasks set agent = 'left' where id = $1`, [gone]);
    await tables.rows(
      `update perdure.task_counts set count = count - 1 where agent = $1 and state = 2 and shard =
      (select min(shard) from perdure.task_counts where agent = $1 and state = 2)`,
      [agent],
    );
    await tables.rows(`insert into perdure.task_counts values ('acme', 'left', 2, 0, 1)`);

    expect(await act(engine, { kind: 'cancel' }, one)).toMatchObject({ outcome: 'done' });
    expect(await act(engine, { kind: 'cancel' }, gone)).toMatchObject({
      text: expect.stringMatching(/"left" is not served here/),
    });

    await tables.waitFor(async () => expect(cleaned).toEqual([one]));
    for (const id of [one, gone]) expect((await tables.states(id)).at(-1)).toBe('CANCELED');
    expect(await act(engine, { kind: 'cancel' }, one)).toMatchObject({ outcome: 'refused', code: 'ENDED' });
    expect(await act(engine, { kind: 'signal', name: 'paid' }, one)).toMatchObject({
      outcome: 'refused',
      code: 'ENDED',
    });
    expect(await act(engine, { kind: 'cancel' }, 'nonsense')).toMatchObject({ outcome: 'refused', code: 'NOT_FOUND' });
  });
});
