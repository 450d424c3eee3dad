import { type Queryable } from './database.js';
import { type TaskKey, TASK_COLUMNS, type TaskRow, WHOLE_TASK_COLUMNS, type WholeTaskRow } from './task.row.js';

/** Which tasks a list shows. All tasks are of one tenant and one agent. */
export interface TaskFilter {
  readonly tenantId: string;
  readonly agent: string;
  readonly contextId?: string;
  /** TaskState by number. */
  readonly state?: number;
  /** Inclusive. */
  readonly statusTimestampAfter?: Date;
}

/** Position after the last row of a page: the sort key of a list, newest first. */
export interface TaskCursor {
  readonly statusTimestamp: Date;
  readonly id: string;
}

/** A change of a task that no run makes: what happens to the row, and the event that tells of it. */
export interface OutsideChange {
  readonly state: number;
  readonly status: string;
  readonly at: Date;
  readonly event: string;
}

/** SQL of `tasks` and its counters, but for what a run writes (GroupCommitter) and for leases (LeaseRepository). */
export class TaskRepository {
  async find(db: Queryable, { tenantId, taskId }: TaskKey): Promise<TaskRow | undefined> {
    const { rows } = await db.query<TaskRow>({
      name: 'task-find',
      text: `select ${TASK_COLUMNS} from perdure.tasks t where t.tenant_id = $1 and t.id = $2`,
      values: [tenantId, taskId],
    });
    return rows[0];
  }

  /** The task with its snapshot. */
  async findWhole(db: Queryable, { tenantId, taskId }: TaskKey): Promise<WholeTaskRow | undefined> {
    const { rows } = await db.query<WholeTaskRow>({
      name: 'task-find-whole',
      text: `select ${WHOLE_TASK_COLUMNS} from perdure.tasks t where t.tenant_id = $1 and t.id = $2`,
      values: [tenantId, taskId],
    });
    return rows[0];
  }

  /** The states of tasks, by number, by `tenant/task`; those that are not there are left out. */
  async states(db: Queryable, keys: readonly TaskKey[]): Promise<Map<string, number>> {
    const { rows } = await db.query<{ key: string; state: number }>(
      `select t.tenant_id || '/' || t.id as key, t.state from unnest($1::text[], $2::uuid[]) k(tenant, task)
       join perdure.tasks t on t.tenant_id = k.tenant and t.id = k.task`,
      [keys.map(({ tenantId }) => tenantId), keys.map(({ taskId }) => taskId)],
    );
    return new Map(rows.map(({ key, state }) => [key, state]));
  }

  /** The task, locked until the transaction ends. */
  async lock(tx: Queryable, { tenantId, taskId }: TaskKey): Promise<TaskRow | undefined> {
    const { rows } = await tx.query<TaskRow>(
      `select ${TASK_COLUMNS} from perdure.tasks t where t.tenant_id = $1 and t.id = $2 for update`,
      [tenantId, taskId],
    );
    return rows[0];
  }

  /** One page, newest status first. */
  async page(db: Queryable, filter: TaskFilter, limit: number, after?: TaskCursor): Promise<TaskRow[]> {
    const { where, values } = conditions(filter);
    if (after) {
      where.push(`(t.status_timestamp, t.id) < ($${values.length + 1}, $${values.length + 2}::uuid)`);
      values.push(after.statusTimestamp, after.id);
    }
    values.push(limit);
    const { rows } = await db.query<TaskRow>(
      `select ${TASK_COLUMNS} from perdure.tasks t where ${where.join(' and ')}
       order by t.status_timestamp desc, t.id desc limit $${values.length}`,
      values,
    );
    return rows;
  }

  /** How many tasks the filter shows: from the counters where it is by state only, else from the index it narrows. */
  async count(db: Queryable, filter: TaskFilter): Promise<number> {
    const counted = filter.contextId === undefined && filter.statusTimestampAfter === undefined;
    const { where, values } = conditions(filter);
    const { rows } = await db.query<{ count: number }>(
      counted
        ? `select coalesce(sum(t.count), 0)::float8 as count from perdure.task_counts t where ${where.join(' and ')}`
        : `select count(*)::float8 as count from perdure.tasks t where ${where.join(' and ')}`,
      values,
    );
    return rows[0]?.count ?? 0;
  }

  /** How many tasks of a tenant have not begun: from the counters of its agents. */
  async countSubmitted(db: Queryable, tenantId: string): Promise<number> {
    const { rows } = await db.query<{ count: number }>(
      `select coalesce(sum(count), 0)::float8 as count from perdure.task_counts where tenant_id = $1 and state = 1`,
      [tenantId],
    );
    return rows[0]!.count;
  }

  /**
   * Writes a change that no run makes on a locked row, with its event and the counters. The lease token rises, so
   * whatever run was under way is fenced off; `runAfter` leaves the task due for one more claim.
   */
  async changeFromOutside(tx: Queryable, row: TaskRow, change: OutsideChange, runAfter: boolean): Promise<void> {
    await tx.query(
      `with u as (
         update perdure.tasks set state = $3, status = $4, status_timestamp = $5, last_modified = $5,
           last_sequence = last_sequence + 1, lease_token = lease_token + 1, lease_owner = null,
           run_at = case when $7::bool then now() end, deadline = null, attempt = 0, lost = 0,
           listens = false
         where tenant_id = $1 and id = $2 returning last_sequence)
       insert into perdure.task_events (tenant_id, task_id, sequence, event) select $1, $2, last_sequence, $6 from u`,
      [row.tenantId, row.id, change.state, change.status, change.at, change.event, runAfter],
    );
    await this.moveCount(tx, row, change.state);
  }

  /** Moves one task between the counters of its states. Late in a transaction, so that the counters are locked briefly. */
  async moveCount(tx: Queryable, { tenantId, agent, state }: TaskRow, to: number): Promise<void> {
    if (state === to) return;
    await tx.query(
      `insert into perdure.task_counts (tenant_id, agent, state, shard, count)
       select $1, $2, d.state, 0, d.delta from (values ($3::int2, -1), ($4::int2, 1)) d(state, delta) order by d.state
       on conflict (tenant_id, agent, state, shard) do update set count = task_counts.count + excluded.count`,
      [tenantId, agent, state, to],
    );
  }
}

function conditions(filter: TaskFilter): { where: string[]; values: unknown[] } {
  const values: unknown[] = [filter.tenantId, filter.agent];
  const where = ['t.tenant_id = $1', 't.agent = $2'];
  const add = (text: string, value: unknown) => {
    values.push(value);
    where.push(text.replace('?', `$${values.length}`));
  };
  if (filter.contextId !== undefined) add('t.context_id = ?', filter.contextId);
  if (filter.state !== undefined) add('t.state = ?', filter.state);
  if (filter.statusTimestampAfter) add('t.status_timestamp >= ?', filter.statusTimestampAfter);
  return { where, values };
}
