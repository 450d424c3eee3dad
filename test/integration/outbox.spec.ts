import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { OutboxRepository } from '../../libs/store/src/outbox.repository.js';
import { useDatabase } from '../support/postgres.js';

const database = useDatabase();
let db: pg.Client;
beforeAll(async () => {
  db = new pg.Client(database.url);
  await db.connect();
});
afterAll(() => db.end());

function fill(jobs: number): Promise<unknown> {
  return db.query(
    `insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
     select 'acme', gen_random_uuid(), 'a', 1, now() from generate_series(1, $1)`,
    [jobs],
  );
}

// What the planner believes of a table that fills and empties within moments is what it held at its last analysis.
it.each([0, 1, 2, 20, 500])('no more jobs are taken than asked for, with a plan made for %i', async (believed) => {
  await db.query('truncate perdure.outbox');
  await fill(believed);
  await db.query('analyze perdure.outbox');
  await fill(20);
  const taken = await new OutboxRepository().take(db, [{ tenantId: 'acme', agent: 'a', priority: 1, amount: 3 }]);
  expect(taken).toHaveLength(3);
  expect((await db.query('select from perdure.outbox')).rowCount).toBe(believed + 20 - 3);
});

it("a job that is lent is nobody else's for so long, holds no lock, and is there until it is removed", async () => {
  await db.query('truncate perdure.outbox');
  await fill(1);
  const outbox = new OutboxRepository();
  const lane = { tenantId: 'acme', agent: 'a', priority: 1, amount: 1 };
  const [lent] = await outbox.lend(db, [lane], 0, 60_000);
  expect(await outbox.take(db, [lane])).toEqual([]);
  await db.query("update perdure.outbox set run_at = run_at - interval '1 minute'");
  const again = await outbox.lend(db, [lane], 0, 60_000);
  expect(again).toEqual([lent]);
  await outbox.remove(db, again);
  expect((await db.query('select from perdure.outbox')).rowCount).toBe(0);
});
