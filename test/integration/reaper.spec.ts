import { expect, it } from 'vitest';
import { textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

/** Makes it look as if a holder had died that long ago. */
async function abandon(id: string, ago = '1 hour', lost = 0): Promise<void> {
  await tables.rows(
    `update perdure.tasks set lease_owner = 'dead', lease_token = lease_token + 1, lost = $3, run_at = now() - $2::interval where id = $1`,
    [id, ago, lost],
  );
}

it('takes tasks over whose holder died, a second after their lease has ended', async () => {
  const front = await engines.start({ runs: false });
  const agent = engines.agent({ run: (task) => `attempt ${task.attempt}` });
  const tasks = await Promise.all(Array.from({ length: 20 }, () => front.submit(agent, 'go')));
  await tables.rows('delete from perdure.outbox');
  for (const { id } of tasks) await abandon(id!, '900 ms');
  await engines.start();
  for (const { id } of tasks) await tables.until(id!, 'COMPLETED');
  for (const { id } of tasks) expect(await tables.task(id!)).toMatchObject({ lost: 1, attempt: 0, lease_token: '2' });
});

it('fails a task that took down ten workers in one turn, and says so', async () => {
  const front = await engines.start({ runs: false });
  let runs = 0;
  const agent = engines.agent({ run: () => void runs++ });
  const [last, enough] = [await front.submit(agent, 'go'), await front.submit(agent, 'go')];
  await tables.rows('delete from perdure.outbox');
  await abandon(last.id!, '1 hour', 9);
  await abandon(enough.id!, '1 hour', 10);
  await engines.start();
  await Promise.all([tables.until(last.id!, 'COMPLETED'), tables.until(enough.id!, 'FAILED')]);
  expect(runs).toBe(1);
  const { status } = await front.get(agent, enough.id!);
  expect(status?.message?.metadata).toEqual({ reason: 'worker_lost' });
  expect(textOf(status?.message)).toBe('The workers that ran this task were lost');
});

it('lets the operator say how many workers a task may take down', async () => {
  const front = await engines.start({ runs: false });
  const agent = engines.agent({ run: () => 'Done' });
  const [last, enough] = [await front.submit(agent, 'go'), await front.submit(agent, 'go')];
  await tables.rows('delete from perdure.outbox');
  await abandon(last.id!, '1 hour', 1);
  await abandon(enough.id!, '1 hour', 2);
  await engines.start({ config: { maxLostWorkers: 2 } });
  await Promise.all([tables.until(last.id!, 'COMPLETED'), tables.until(enough.id!, 'FAILED')]);
});

it('is not held up by tasks of agents that this process does not serve, or has no room for', async () => {
  const front = await engines.start({ runs: false });
  const go = new Gate();
  const [gone, narrow, wanted] = [
    engines.agent({ run: () => 'Done' }),
    engines.agent({ concurrency: 1, run: () => go.opened }),
    engines.agent({ run: () => 'Done' }),
  ];
  const submit = (agent: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => front.submit(agent, 'go')));
  const [ofGone, ofNarrow] = [await submit(gone, 150), await submit(narrow, 12)];
  const { id } = await front.submit(wanted, 'go');
  await tables.rows('delete from perdure.outbox');
  await tables.rows(`update perdure.tasks set agent = 'removed' where agent = $1`, [gone]);
  await tables.rows(`update perdure.task_counts set agent = 'removed' where agent = $1`, [gone]);
  for (const task of [...ofGone, ...ofNarrow]) await abandon(task.id!);
  await abandon(id!, '2 seconds');
  await engines.start({ config: { workerConcurrency: 10 } });
  await tables.until(id!, 'COMPLETED');
  expect((await tables.task(ofGone[0]!.id!)).lease_owner).toBe('dead');
  go.open();
  await Promise.all(ofNarrow.slice(0, 3).map((task) => tables.until(task.id!, 'COMPLETED')));
  await tables.rows('update perdure.tasks set run_at = null, lease_owner = null where agent = $1', ['removed']);
});

it('forgets idempotency keys after their time, not before', async () => {
  const engine = await engines.start({ config: { idempotencyTtlMs: 60_000 } });
  const agent = engines.agent({ run: () => 'Done' });
  await engine.send(agent, 'go', { caller: { idempotencyKey: 'old' } });
  const young = await engine.send(agent, 'go', { caller: { idempotencyKey: 'young' } });
  await tables.rows(`update perdure.idempotency_keys set created_at = now() - interval '61 seconds' where key = 'old'`);
  await tables.rows(
    `update perdure.idempotency_keys set created_at = now() - interval '50 seconds' where key = 'young'`,
  );
  await tables.waitFor(async () =>
    expect(await tables.rows(`select from perdure.idempotency_keys where key = 'old'`)).toEqual([]),
  );
  expect((await engine.send(agent, 'go', { caller: { idempotencyKey: 'young' } })).id).toBe(young.id);
});
