import { type Queryable } from './database.js';
import { type Lease, type TaskKey } from './task.row.js';
import { type JournalRecord } from './writes.js';

/** Where a record stands within its task. */
export type RecordPlace = Pick<JournalRecord, 'turn' | 'branch' | 'position'>;

/** SQL of `task_results`: results that are too large for their records. */
export class ResultRepository {
  /**
   * Keeps a result (JSON) for the record that is written next; what a run that died had left there is replaced. False where
   * the lease is lost. The row is held meanwhile: a claim comes before all of this or after it.
   */
  async keep(db: Queryable, lease: Lease, { turn, branch, position }: RecordPlace, value: string): Promise<boolean> {
    const { rowCount } = await db.query(
      `with held as (
         select tenant_id, id from perdure.tasks
         where tenant_id = $1 and id = $2 and lease_token = $3 and lease_owner is not null for share)
       insert into perdure.task_results (tenant_id, task_id, turn, branch, position, value)
       select tenant_id, id, $4, $5, $6, $7 from held
       on conflict (tenant_id, task_id, turn, branch, position) do update set value = excluded.value`,
      [lease.tenantId, lease.taskId, lease.token, turn, branch, position, value],
    );
    return rowCount === 1;
  }

  /** The result (JSON) at a place; undefined where none was kept. */
  async find(db: Queryable, { tenantId, taskId }: TaskKey, place: RecordPlace): Promise<string | undefined> {
    const { rows } = await db.query<{ value: string }>(
      `select value from perdure.task_results
       where tenant_id = $1 and task_id = $2 and turn = $3 and branch = $4 and position = $5`,
      [tenantId, taskId, place.turn, place.branch, place.position],
    );
    return rows[0]?.value;
  }
}
