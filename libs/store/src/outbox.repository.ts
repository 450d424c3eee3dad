import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** A job that waits for its publication. */
export interface OutboxJob extends TaskKey {
  readonly id: string;
}

/** SQL of `outbox`: jobs for the queue, each with the time at which it is due, by the database's clock. */
export class OutboxRepository {
  async add(tx: Queryable, { tenantId, taskId }: TaskKey): Promise<void> {
    await tx.query('insert into perdure.outbox (tenant_id, task_id, run_at) values ($1, $2, now())', [
      tenantId,
      taskId,
    ]);
  }

  /** Takes up to `limit` due jobs out, earliest first; other relays pass over them, and a rollback puts them back. */
  async take(tx: Queryable, limit: number): Promise<OutboxJob[]> {
    const { rows } = await tx.query<OutboxJob>(
      `with taken as (
         delete from perdure.outbox where id in (
           select id from perdure.outbox where run_at <= now() order by run_at, id limit $1 for update skip locked)
         returning *)
       select id::text, tenant_id as "tenantId", task_id as "taskId" from taken order by run_at, id`,
      [limit],
    );
    return rows;
  }

  /** Milliseconds until the next job is due, 0 where it is; undefined where there is none. */
  async nextDueMs(db: Queryable): Promise<number | undefined> {
    const { rows } = await db.query<{ ms: number | null }>(
      `select greatest(0, ceil(extract(epoch from min(run_at) - clock_timestamp()) * 1000))::float8 as ms
       from perdure.outbox`,
    );
    return rows[0]?.ms ?? undefined;
  }
}
