import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** A job that waits for its publication. */
export interface OutboxJob extends TaskKey {
  readonly id: string;
  /** Milliseconds from now until the job is due, by the database's clock. */
  readonly delayMs: number;
}

/** SQL of `outbox`. */
export class OutboxRepository {
  async add(tx: Queryable, { tenantId, taskId }: TaskKey, delayMs = 0): Promise<void> {
    await tx.query(
      `insert into perdure.outbox (tenant_id, task_id, run_at) values ($1, $2, now() + $3::int4 * interval '1 ms')`,
      [tenantId, taskId, delayMs],
    );
  }

  /** Takes up to `limit` jobs out; other relays pass over them, and a rollback puts them back. */
  async take(tx: Queryable, limit: number): Promise<OutboxJob[]> {
    const { rows } = await tx.query<OutboxJob>(
      `delete from perdure.outbox where id in (
         select id from perdure.outbox order by id limit $1 for update skip locked)
       returning id::text, tenant_id as "tenantId", task_id as "taskId",
         greatest(0, extract(epoch from run_at - now()) * 1000)::float8 as "delayMs"`,
      [limit],
    );
    return rows;
  }
}
