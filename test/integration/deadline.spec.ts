import { describe, expect, it } from 'vitest';
import { SCHEDULING_EXTENSION } from '#agents';
import { type SendOptions, textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { asleep } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const PAST_DEADLINE = { state: 'TASK_STATE_FAILED', message: { metadata: { reason: 'deadline' } } };

function until(deadline: string, startAt?: string): SendOptions {
  return { metadata: { [SCHEDULING_EXTENSION.uri]: startAt === undefined ? { deadline } : { startAt, deadline } } };
}

describe('the deadline that a client sets', () => {
  it('ends a task whose run is under way, and tells the run', async () => {
    const engine = await engines.start();
    const told = new Gate();
    const agent = engines.agent({
      async run(task) {
        task.signal.addEventListener('abort', () => told.open());
        await forever();
      },
    });
    const { id, status } = await engine.send(agent, 'go', until('300ms'));
    expect(status).toMatchObject(PAST_DEADLINE);
    expect(textOf(status?.message)).toBe('The task was not finished by its deadline');
    await told.opened;
    expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'FAILED']);
  });

  it('ends a task that waits for its client, one that sleeps, and one that is yet to begin', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 2 } });
    const [asking, sleeping, hog] = [
      engines.agent({ run: (task) => task.requestInput('Who?').then(() => 'Done') }),
      engines.agent({ run: (task) => task.sleep('1h') }),
      engines.agent({ run: () => forever(), concurrency: 1 }),
    ];
    const asked = await engine.send(asking, 'go', until('1s'));
    expect(asked.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
    const running = await engine.submit(hog, 'go');
    const waiting = await Promise.all([
      engine.submit(sleeping, 'go', until('500ms')),
      engine.submit(hog, 'go', until('500ms')),
      engine.submit(sleeping, 'go', until('500ms', '400ms')),
    ]);
    for (const { id } of [asked, ...waiting]) await tables.until(id!, 'FAILED');
    const stood = await engine.get(asking, asked.id!);
    expect(stood.status).toMatchObject(PAST_DEADLINE);
    expect(stood.history?.map(textOf)).toEqual(['go']);
    await engine.cancel(hog, running.id!);
  });

  it('ends a task beside another one whose row somebody holds', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: (task) => task.sleep('1h') });
    const held = await engine.submit(agent, 'go', until('1h'));
    const other = await engine.submit(agent, 'go', until('1h'));
    await asleep(tables, held.id!, other.id!);
    const soon = `update perdure.tasks set deadline = now() + interval '2 s' where id = any($1)`;
    await tables.rows(soon, [[held.id, other.id]]);
    const release = await tables.hold(held.id!);
    await tables.until(other.id!, 'FAILED');
    expect((await tables.states(held.id!)).at(-1)).toBe('WORKING');
    await release();
    await tables.until(held.id!, 'FAILED');
  });

  it('holds where it is earlier than the agent’s own, and not where it is later', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ deadlineMs: 3_600_000, run: (task) => task.sleep('2h') });
    const tasks = [
      await engine.submit(agent, 'go', until('10m')),
      await engine.submit(agent, 'go', until('2h')),
      await engine.submit(agent, 'go'),
    ];
    const minutes = await Promise.all(
      tasks.map(async ({ id }) => {
        const [row] = await tables.rows<{ deadline: Date; created_at: Date }>(
          'select deadline, created_at from perdure.tasks where id = $1',
          [id],
        );
        return Math.round((row!.deadline.getTime() - row!.created_at.getTime()) / 60_000);
      }),
    );
    expect(minutes).toEqual([10, 60, 60]);
    for (const { id } of tasks) await engine.cancel(agent, id!);
  });

  it('means nothing to a task that has ended in time', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    const { id } = await engine.send(agent, 'go', until('1h'));
    const [row] = await tables.rows('select state, deadline, run_at from perdure.tasks where id = $1', [id]);
    expect(row).toEqual({ state: 3, deadline: null, run_at: null });
  });
});

it('tells the three limits of time apart', async () => {
  const engine = await engines.start();
  const retry = { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 };
  const reasons = await Promise.all(
    [
      engines.agent({ retry, timeoutMs: 200, run: () => forever() }),
      engines.agent({ retry, deadlineMs: 200, run: () => forever() }),
      engines.agent({ retry, inactivityMs: 200, run: () => forever() }),
    ].map(async (agent) => (await engine.send(agent, 'go')).status?.message?.metadata?.reason),
  );
  expect(reasons).toEqual(['timeout', 'deadline', 'inactivity']);
});

it('ends tasks whose deadlines passed in an outage once each, the earliest first', async () => {
  // More than the reaper takes at a time.
  const count = 230;
  const agent = engines.agent({ run: (task) => task.sleep('1h') });
  const first = await engines.start();
  const tasks = await Promise.all(Array.from({ length: count }, () => first.submit(agent, 'go', until('1h'))));
  const order = tasks.map(({ id }) => id!).toReversed();
  await asleep(tables, ...order);
  await first.stop();
  await tables.rows(
    `update perdure.tasks t set deadline = now() - interval '10 minutes' + x.n * interval '1 second'
     from unnest($1::uuid[]) with ordinality x(id, n) where t.id = x.id`,
    [order],
  );
  // Two that look after the same tasks.
  await Promise.all([engines.start(), engines.start()]);
  for (const id of order) await tables.until(id, 'FAILED');
  const ended = await tables.rows<{ id: string; last_sequence: number }>(
    'select id, last_sequence from perdure.tasks where id = any($1) order by status_timestamp, array_position($1, id)',
    [order],
  );
  expect(ended.map(({ id }) => id)).toEqual(order);
  expect(ended.every(({ last_sequence }) => last_sequence === 3)).toBe(true);
}, 60_000);
