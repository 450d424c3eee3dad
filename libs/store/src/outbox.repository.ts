import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** The jobs of one tenant for one agent at one priority: 0 high, 1 normal, 2 low. */
export interface Lane {
  readonly tenantId: string;
  /** Empty in jobs that the version before has written, until they are filled in. */
  readonly agent: string;
  readonly priority: number;
}

/** A lane with jobs that are due. */
export interface DueLane extends Lane {
  /** For how many milliseconds the first of them has been due. */
  readonly dueForMs: number;
  /** How many are due; Infinity where they were not counted. */
  readonly count: number;
}

/** So many jobs of a lane. */
export type LaneShare = Lane & { readonly amount: number };

/** A job that was due, and is taken. */
export interface OutboxJob extends Lane, TaskKey {
  readonly id: string;
  /** Who holds the task's lease, or held it last. */
  readonly holder: string | null;
  /** False where there is nothing to claim: a run is under way, or the task has ended, or goes on at another time. */
  readonly isWanted: boolean;
}

const LANE_COLUMNS = 'tenant_id, agent, priority, run_at';
const DUE_FOR = `extract(epoch from now() - run_at)::float8 * 1000 as "dueForMs"`;

/** `taken` does something to the jobs that `due` has chosen and locked, and returns them. */
const takeText = (taken: string) => `
  with due as materialized (
    select job.id from unnest($1::text[], $2::text[], $3::int2[], $4::int4[]) w(tenant, agent, priority, amount),
      lateral (select id from perdure.outbox
               where tenant_id = w.tenant and agent = w.agent and priority = w.priority
                 and run_at <= now() - $5::int4 * interval '1 ms'
               order by run_at, id limit w.amount for update skip locked) job),
  taken as (${taken})
  select taken.id::text, taken.tenant_id as "tenantId", taken.task_id as "taskId", taken.agent, taken.priority,
    coalesce(task.run_at <= now(), false) as "isWanted", task.lease_owner as holder
  from taken left join lateral (
    select t.run_at, t.lease_owner from perdure.tasks t
    where t.tenant_id = taken.tenant_id and t.id = taken.task_id limit 1) task on true
  order by taken.priority, taken.run_at, taken.id`;

function shareValues(lanes: readonly LaneShare[]): unknown[] {
  return [
    lanes.map(({ tenantId }) => tenantId),
    lanes.map(({ agent }) => agent),
    lanes.map(({ priority }) => priority),
    lanes.map(({ amount }) => amount),
  ];
}

/** SQL of `outbox`: jobs that wait to be run, each with the time at which it is due, by the database's clock. */
export class OutboxRepository {
  /** Adds a job that is due now. */
  async add(tx: Queryable, { tenantId, taskId }: TaskKey): Promise<void> {
    await tx.query(
      `insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
       select tenant_id, id, agent, priority, now() from perdure.tasks where tenant_id = $1 and id = $2`,
      [tenantId, taskId],
    );
  }

  /**
   * The lanes of the `limit` jobs that have been due for longest (fewer jobs than that are all there are), and the
   * milliseconds until the next job becomes due, undefined where there is none.
   */
  async earliestLanes(db: Queryable, limit: number): Promise<{ lanes: DueLane[]; nextDueMs: number | undefined }> {
    const { rows } = await db.query<DueLane & { nextDueMs: number | null }>(
      `with due as (
         select tenant_id as "tenantId", agent, priority, count(*)::int4 as count, max("dueForMs") as "dueForMs"
         from (select tenant_id, agent, priority, ${DUE_FOR} from perdure.outbox
               where run_at <= now() order by run_at, id limit $1) o
         group by 1, 2, 3)
       select due.*, next.ms as "nextDueMs"
       from (select ceil(extract(epoch from (select min(run_at) from perdure.outbox where run_at > now()) - now()) * 1000)
               ::float8 as ms) next
       left join due on true`,
      [limit],
    );
    return { lanes: rows.filter(({ tenantId }) => tenantId !== null), nextDueMs: rows[0]?.nextDueMs ?? undefined };
  }

  /**
   * Looks at the `limit` lanes that follow on `after`, in the order of tenant, agent and priority: one index lookup for
   * each, however many jobs are in it. Answers with those that have due jobs, and with the last lane it has looked at;
   * undefined where there are no more.
   */
  async lanesAfter(db: Queryable, after: Lane | undefined, limit: number): Promise<{ due: DueLane[]; last?: Lane }> {
    const from = after ?? { tenantId: '', agent: '', priority: -1 };
    const next = (than: string) =>
      `select ${LANE_COLUMNS} from perdure.outbox where (tenant_id, agent, priority) > (${than})
       order by tenant_id, agent, priority, run_at limit 1`;
    const { rows } = await db.query<DueLane & { isDue: boolean }>(
      `with recursive lane as (
         (select *, 1 as n from (${next('$1, $2, $3::int2')}) first)
         union all
         select following.*, n + 1 from lane, lateral (${next('lane.tenant_id, lane.agent, lane.priority')}) following
         where n < $4::int4)
       select tenant_id as "tenantId", agent, priority, ${DUE_FOR}, 'Infinity'::float8 as count, run_at <= now() as "isDue"
       from lane`,
      [from.tenantId, from.agent, from.priority, limit],
    );
    return { due: rows.filter(({ isDue }) => isDue), last: rows.length < limit ? undefined : rows.at(-1) };
  }

  /**
   * Takes up to so many jobs out of each lane that have been due for `graceMs`, earliest first; other relays pass over them,
   * and a rollback puts them back. They are chosen before any is taken: a plan that chose again for each row of the outbox
   * would pass over those it has deleted itself, and take more than `amount`.
   */
  async take(tx: Queryable, lanes: readonly LaneShare[], graceMs = 0): Promise<OutboxJob[]> {
    const taken = 'delete from perdure.outbox o using due where o.id = due.id returning o.*';
    const { rows } = await tx.query<OutboxJob>(takeText(taken), [...shareValues(lanes), graceMs]);
    return rows;
  }

  /**
   * The same, but leaves the jobs there, due again in `forMs`: whoever is to have them gets them in the meantime, and then
   * they are removed. No transaction stands open while that is done elsewhere.
   */
  async lend(db: Queryable, lanes: readonly LaneShare[], graceMs: number, forMs: number): Promise<OutboxJob[]> {
    const taken = `update perdure.outbox o set run_at = now() + $6::int4 * interval '1 ms' from due where o.id = due.id returning o.*`;
    const { rows } = await db.query<OutboxJob>(takeText(taken), [...shareValues(lanes), graceMs, forMs]);
    return rows;
  }

  async remove(db: Queryable, jobs: readonly OutboxJob[]): Promise<void> {
    await db.query('delete from perdure.outbox where id = any($1::int8[])', [jobs.map(({ id }) => id)]);
  }

  /** Puts jobs that were taken back, due in `delayMs`. */
  async putBack(tx: Queryable, jobs: readonly OutboxJob[], delayMs: number): Promise<void> {
    await tx.query(
      `insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
       select j.*, now() + $5::int4 * interval '1 ms' from unnest($1::text[], $2::uuid[], $3::text[], $4::int2[]) j`,
      [
        jobs.map(({ tenantId }) => tenantId),
        jobs.map(({ taskId }) => taskId),
        jobs.map(({ agent }) => agent),
        jobs.map(({ priority }) => priority),
        delayMs,
      ],
    );
  }

  /** Fills in what jobs of the version before lack, up to `limit` of each tenant; those whose task is gone are dropped. */
  async complete(db: Queryable, tenants: readonly string[], limit: number): Promise<void> {
    await db.query(
      `with o as materialized (
         select job.* from unnest($1::text[]) w(tenant), lateral (
           select id, tenant_id, task_id from perdure.outbox where tenant_id = w.tenant and agent = ''
           limit $2 for update skip locked) job),
       filled as (
         update perdure.outbox x set agent = t.agent, priority = t.priority
         from o join perdure.tasks t on t.tenant_id = o.tenant_id and t.id = o.task_id where x.id = o.id)
       delete from perdure.outbox x using o where x.id = o.id
         and not exists (select from perdure.tasks t where t.tenant_id = o.tenant_id and t.id = o.task_id)`,
      [tenants, limit],
    );
  }
}
