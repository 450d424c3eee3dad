import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** A job that waits until it is due. */
export interface OutboxJob extends TaskKey {
  readonly id: string;
  /** Of the task; null where that is gone. */
  readonly agent: string | null;
  /** False where there is nothing to claim: a run is under way, or the task has ended, or goes on at another time. */
  readonly isWanted: boolean;
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
       select taken.id::text, taken.tenant_id as "tenantId", taken.task_id as "taskId", task.agent,
         coalesce(task.run_at <= now(), false) as "isWanted"
       from taken left join lateral (
         select t.agent, t.run_at from perdure.tasks t where t.tenant_id = taken.tenant_id and t.id = taken.task_id limit 1)
         task on true
       order by taken.run_at, taken.id`,
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
