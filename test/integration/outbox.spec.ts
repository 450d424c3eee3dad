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
