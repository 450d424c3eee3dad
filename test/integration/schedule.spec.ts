import { describe, expect, it, vi } from 'vitest';
import { SCHEDULING_EXTENSION } from '#agents';
import { type A2AError } from '#protocol';
import { type Engine, type SendOptions, textOf, useEngines } from '../support/engine.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const HOUR_MS = 3_600_000;

function scheduled(schedule: { startAt?: string; deadline?: string }, options: SendOptions = {}): SendOptions {
  return { ...options, metadata: { [SCHEDULING_EXTENSION.uri]: schedule } };
}

async function refusal(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(
    () => undefined,
    (thrown: unknown) => thrown as A2AError,
  );
  expect(error).toMatchObject({ reason: 'INVALID_PARAMS' });
  return error!.violations.map(({ field, description }) => `${field} ${description}`).join();
}

/** An agent that notes the texts of the messages it is run with. */
function noting(seen: string[], fields: { followUps?: 'interrupt'; respond?: () => string; deadlineMs?: number } = {}) {
  return engines.agent({ ...fields, run: (task) => void seen.push(textOf(task.message)) });
}

describe('a task that begins later', () => {
  it('is answered at once as SUBMITTED, and is a row until then: no holder, a job that is due at that time', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 1 } });
    const seen: string[] = [];
    const agent = noting(seen);
    const task = await engine.send(agent, 'later', scheduled({ startAt: '1h' }));
    expect(task.status).toMatchObject({ state: 'TASK_STATE_SUBMITTED' });
    const { run_at, ...row } = await tables.task(task.id!);
    expect(row).toMatchObject({ state: 1, lease_owner: null, last_sequence: 1, lease_token: '0' });
    expect(run_at!.getTime() - Date.now()).toBeGreaterThan(HOUR_MS - 10_000);
    expect(await tables.rows('select run_at from perdure.outbox where task_id = $1', [task.id])).toEqual([{ run_at }]);
    // It takes up no slot: there is one.
    await engine.send(agent, 'now');
    expect(seen).toEqual(['now']);

    await hasten(tables, task.id!);
    await tables.until(task.id!, 'COMPLETED');
    expect(seen).toEqual(['now', 'later']);
    expect(await tables.states(task.id!)).toEqual(['SUBMITTED', 'WORKING', 'COMPLETED']);
  });

  it('begins at its time, not before, whatever its client waits for', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => String(Date.now()) });
    const startAt = new Date(Date.now() + 700);
    const stream = engine.stream(agent, 'go', scheduled({ startAt: startAt.toISOString() }));
    const states: string[] = [];
    let words = '';
    for await (const { task, statusUpdate } of stream) {
      states.push(String((task ?? statusUpdate)?.status?.state));
      words = textOf(statusUpdate?.status?.message);
    }
    expect(states).toEqual(['TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING', 'TASK_STATE_COMPLETED']);
    // The database's clock decides, and it is this machine's.
    expect(Number(words)).toBeGreaterThanOrEqual(startAt.getTime());
  });

  it('counts its time by the clock of the database, however far off that of the process is', async () => {
    const engine = await engines.start();
    const agent = noting([]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + HOUR_MS / 2 });
    const { id } = await engine
      .send(agent, 'go', scheduled({ startAt: '1h', deadline: '2h' }))
      .finally(() => vi.useRealTimers());
    const [times] = await tables.rows<{ start: number; end: number }>(
      `select extract(epoch from run_at - now())::float8 * 1000 as start, extract(epoch from deadline - now())::float8 * 1000
         as end from perdure.tasks where id = $1`,
      [id],
    );
    expect(Math.abs(times!.start - HOUR_MS)).toBeLessThan(30_000);
    expect(Math.abs(times!.end - 2 * HOUR_MS)).toBeLessThan(30_000);
    await engine.cancel(agent, id!);
  });

  it('begins at once where the time has passed, and is waited for then', async () => {
    const engine = await engines.start();
    const task = await engine.send(noting([]), 'go', scheduled({ startAt: '2020-01-01T00:00:00Z' }));
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
  });

  it('goes on in another process, and begins once although its job comes twice', async () => {
    const seen: string[] = [];
    const agent = noting(seen);
    const first = await engines.start();
    const { id } = await first.send(agent, 'go', scheduled({ startAt: '1h' }));
    await first.stop();
    await tables.rows(
      'insert into perdure.outbox (tenant_id, task_id, run_at) select tenant_id, task_id, run_at from perdure.outbox where task_id = $1',
      [id],
    );
    await hasten(tables, id!);
    await engines.start();
    await tables.until(id!, 'COMPLETED');
    const jobs = () => tables.rows('select from perdure.outbox where task_id = $1', [id]);
    await tables.waitFor(async () => expect(await jobs()).toEqual([]));
    expect(seen).toEqual(['go']);
    expect(await tables.task(id!)).toMatchObject({ lost: 0, attempt: 0 });
  });

  it('is not answered by respond: its answer would come now', async () => {
    const engine = await engines.start();
    const agent = noting([], { respond: () => 'at once' });
    expect(textOf((await engine.answer(agent, 'go')).message)).toBe('at once');
    const { id } = await engine.send(agent, 'go', scheduled({ startAt: '1h' }));
    await engine.cancel(agent, id!);
  });

  it('is canceled, and never begins', async () => {
    const engine = await engines.start();
    const seen: string[] = [];
    const agent = noting(seen);
    const { id } = await engine.send(agent, 'go', scheduled({ startAt: '1h' }));
    expect((await engine.cancel(agent, id!)).status?.state).toBe('TASK_STATE_CANCELED');
    await tables.rows('update perdure.outbox set run_at = now() where task_id = $1', [id]);
    const jobs = () => tables.rows('select from perdure.outbox where task_id = $1', [id]);
    await tables.waitFor(async () => expect(await jobs()).toEqual([]));
    await engine.send(agent, 'another');
    expect(seen).toEqual(['another']);
  });

  it.each(['queue', 'interrupt'] as const)(
    'is not begun by a message to it (%s), which is its next turn',
    async (policy) => {
      const engine = await engines.start();
      const seen: string[] = [];
      const agent = noting(seen, policy === 'interrupt' ? { followUps: policy } : {});
      const { id } = await engine.send(agent, 'first', scheduled({ startAt: '1h' }));
      const { run_at } = await tables.task(id!);
      await engine.submit(agent, { taskId: id, parts: [{ text: 'second' }] });
      expect(await tables.task(id!)).toMatchObject({ run_at, state: 1, lease_owner: null, turn: 1 });
      await hasten(tables, id!);
      await tables.until(id!, 'COMPLETED');
      expect(seen).toEqual(['first', 'second']);
    },
  );

  it('is the same task when the call is repeated with its idempotency key', async () => {
    const engine = await engines.start();
    const agent = noting([]);
    const send = () =>
      engine.send(agent, 'go', scheduled({ startAt: '1h' }, { caller: { idempotencyKey: 'scheduled' } }));
    const [first, again] = [await send(), await send()];
    expect(again).toEqual(first);
    await engine.cancel(agent, first.id!);
  });

  it('counts the agent’s own deadline from its start', async () => {
    const engine = await engines.start();
    const agent = noting([], { deadlineMs: HOUR_MS });
    const { id } = await engine.send(agent, 'go', scheduled({ startAt: '24h' }));
    const [row] = await tables.rows<{ ms: string }>(
      'select extract(epoch from deadline - run_at) * 1000 as ms from perdure.tasks where id = $1',
      [id],
    );
    expect(Number(row!.ms)).toBeCloseTo(HOUR_MS, -1);
    await engine.cancel(agent, id!);
  });
});

it('refuses a schedule for a message to an existing task, and one that is none; nothing is stored', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: (task) => task.requestInput('Who?').then(() => 'Done') });
  const { id } = await engine.send(agent, 'go');
  const followUp = engine.send(agent, { taskId: id, parts: [{ text: 'x' }] }, scheduled({ startAt: '1h' }));
  expect(await refusal(followUp)).toMatch(/scheduling\/v1"\] is for a new task/);
  const before = await tables.everything();
  const wrong = engine.send(agent, 'go', scheduled({ startAt: 'tomorrow', deadline: '2020-01-01T00:00:00Z' }));
  expect(await refusal(wrong)).toMatch(/\.startAt must be an RFC 3339 time.*\.deadline has passed/);
  expect(await tables.everything()).toBe(before);
  await engine.cancel(agent, id!);
});

it('begins tasks that came due in an outage once each, and in the order of their times', async () => {
  // More than the relay and the reaper take at a time.
  const count = 230;
  const seen: string[] = [];
  const agent = engines.agent({ run: (task) => void seen.push(task.id) });
  const first: Engine = await engines.start();
  const tasks = await Promise.all(
    Array.from({ length: count }, () => first.send(agent, 'go', scheduled({ startAt: '1h' }))),
  );
  const order = tasks.map(({ id }) => id!).toReversed();
  await first.stop();
  await asleep(tables, ...order);
  const late = `now() - interval '10 minutes' + x.n * interval '1 second'`;
  const named = 'unnest($1::uuid[]) with ordinality x(id, n)';
  await tables.rows(`update perdure.tasks t set run_at = ${late} from ${named} where t.id = x.id`, [order]);
  await tables.rows(`update perdure.outbox o set run_at = ${late} from ${named} where o.task_id = x.id`, [order]);
  await engines.start({ config: { workerConcurrency: 1 } });
  for (const id of order) await tables.until(id, 'COMPLETED');
  expect(seen).toEqual(order);
  const tokens = await tables.rows('select distinct lease_token, lost, attempt from perdure.tasks where id = any($1)', [
    order,
  ]);
  expect(tokens).toEqual([{ lease_token: '1', lost: 0, attempt: 0 }]);
}, 60_000);
