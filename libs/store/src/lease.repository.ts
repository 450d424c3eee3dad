import { type Queryable } from './database.js';
import { type Lease, type TaskKey, WHOLE_TASK_COLUMNS, type WholeTaskRow } from './task.row.js';

/** TaskState by number. */
const SUBMITTED = 1;
/** Names the advisory lock of whoever gives jobs to overdue tasks. */
const REQUEUE_LOCK = [1_346_720_837, 1];

/** SQL of leases: who may run a task, until when, and when the next claim is due. The database's clock decides. */
export class LeaseRepository {
  /**
   * Claims a task that is due: raises the token and holds it for `leaseMs`. Where its handler has never run, the turn is
   * begun by `version`. Undefined where there is nothing to claim.
   */
  async claim(
    db: Queryable,
    { tenantId, taskId }: TaskKey,
    { owner, leaseMs, version }: { readonly owner: string; readonly leaseMs: number; readonly version: string },
  ): Promise<WholeTaskRow | undefined> {
    const { rows } = await db.query<WholeTaskRow>({
      name: 'lease-claim',
      text: `update perdure.tasks t set ${claimed('$3', '$4', '$5')}
             where t.tenant_id = $1 and t.id = $2 and t.run_at <= now() returning ${WHOLE_TASK_COLUMNS}`,
      values: [tenantId, taskId, owner, leaseMs, version],
    });
    return rows[0];
  }

  /**
   * Claims those of the tasks that are due, each with the version of its agent; one that somebody else is about to change
   * is passed over.
   */
  async claimAll(
    db: Queryable,
    tasks: readonly (TaskKey & { readonly version: string })[],
    { owner, leaseMs }: { readonly owner: string; readonly leaseMs: number },
  ): Promise<WholeTaskRow[]> {
    const { rows } = await db.query<WholeTaskRow>({
      text: `with l as materialized (
               select l.* from unnest($1::text[], $2::uuid[], $3::text[]) l(tenant, task, version),
                 lateral (select 1 from perdure.tasks t where t.tenant_id = l.tenant and t.id = l.task
                          and t.run_at <= now() for update skip locked) x)
             update perdure.tasks t set ${claimed('$4', '$5', 'l.version')}
             from l where t.tenant_id = l.tenant and t.id = l.task returning ${WHOLE_TASK_COLUMNS}`,
      values: [tasks.map((t) => t.tenantId), tasks.map((t) => t.taskId), tasks.map((t) => t.version), owner, leaseMs],
    });
    return rows;
  }

  /**
   * Extends leases; answers with the keys (`tenant/task/token`) of those that still hold. Rows are locked in the
   * committer's order, so that the two never wait for each other; planned anew each time, because a plan that was made
   * while `tasks` was empty reads all of it.
   */
  async renew(db: Queryable, leases: readonly Lease[], leaseMs: number): Promise<Set<string>> {
    const sorted = leases.toSorted((a, b) => (leaseKey(a) < leaseKey(b) ? -1 : 1));
    const { rows } = await db.query<Lease>({
      text: `with l as materialized (
               select l.* from unnest($1::text[], $2::uuid[], $3::int8[]) l(tenant, id, token),
                 lateral (select 1 from perdure.tasks t where t.tenant_id = l.tenant and t.id = l.id
                          and t.lease_token = l.token and t.lease_owner is not null for update) x)
             update perdure.tasks t set run_at = now() + $4::int4 * interval '1 ms'
             from l where t.tenant_id = l.tenant and t.id = l.id
             returning l.tenant as "tenantId", l.id as "taskId", l.token::float8 as token`,
      values: [sorted.map((l) => l.tenantId), sorted.map((l) => l.taskId), sorted.map((l) => l.token), leaseMs],
    });
    return new Set(rows.map(leaseKey));
  }

  /**
   * Gives a lease back and leaves the task due in `delayMs`, with a job for the queue. `attempt` is the number of
   * the handler's failures so far, null to leave it as it is. False where the lease was lost before.
   */
  async handBack(db: Queryable, lease: Lease, attempt: number | null, delayMs: number): Promise<boolean> {
    const { rowCount } = await db.query(
      `with u as (
         update perdure.tasks set lease_token = lease_token + 1, lease_owner = null, attempt = coalesce($4, attempt),
           run_at = now() + $5::int4 * interval '1 ms'
         where tenant_id = $1 and id = $2 and lease_token = $3 and lease_owner is not null
         returning tenant_id, id, agent, priority, run_at)
       insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
       select tenant_id, id, agent, priority, run_at from u`,
      [lease.tenantId, lease.taskId, lease.token, attempt, delayMs],
    );
    return rowCount === 1;
  }

  /** What time it is, by the clock that decides. */
  async now(db: Queryable): Promise<Date> {
    const { rows } = await db.query<{ now: Date }>('select clock_timestamp() as now');
    return rows[0]!.now;
  }

  /** Ends a run that leaves the task as it is, with nothing due (the clean-up after a cancel). */
  async finish(db: Queryable, lease: Lease): Promise<void> {
    await db.query(
      `update perdure.tasks set lease_owner = null, run_at = null
       where tenant_id = $1 and id = $2 and lease_token = $3`,
      [lease.tenantId, lease.taskId, lease.token],
    );
  }

  /**
   * Looks at `limit` tasks that became due after `from` and at least `graceMs` ago, the earliest first, and gives a job to
   * each that has none that is due: its holder died, or the queue lost it. Answers with the number of jobs; with where it has come to,
   * undefined where it has seen all; and until when tasks had become due that it could see. One process at a time does so;
   * where another one is at it, there is nothing to do. Times are the database's own, as texts.
   */
  async requeueOverdue(
    db: Queryable,
    { from, graceMs, limit }: { readonly from: string | undefined; readonly graceMs: number; readonly limit: number },
  ): Promise<{ readonly requeued: number; readonly to: string | undefined; readonly until: string }> {
    const { rows } = await db.query<{ seen: number; requeued: number; runAt: string; until: string }>(
      `with mine as materialized (select pg_try_advisory_xact_lock($1::int4, $2::int4) as holds),
       overdue as materialized (
         select tenant_id, id, agent, priority, run_at from perdure.tasks
         where (select holds from mine) and run_at > $3::timestamptz and run_at <= now() - $4::int4 * interval '1 ms'
         order by run_at fetch first ($5::int4) rows with ties),
       lost as (
         insert into perdure.outbox (tenant_id, task_id, agent, priority, run_at)
         select tenant_id, id, agent, priority, run_at from overdue o
         where not exists (select from perdure.outbox x
                           where x.tenant_id = o.tenant_id and x.task_id = o.id and x.run_at <= now())
         returning 1)
       select (select max(run_at)::text from overdue) as "runAt", (select count(*)::int4 from overdue) as seen,
         (select count(*)::int4 from lost) as requeued, (now() - $4::int4 * interval '1 ms')::text as until`,
      [...REQUEUE_LOCK, from ?? '-infinity', graceMs, limit],
    );
    const { runAt, seen, requeued, until } = rows[0]!;
    return { requeued, until, to: seen < limit ? undefined : runAt };
  }

  /** Tasks that have not ended by their deadline, the earliest first, but for those whose row somebody is changing right now. */
  async pastDeadline(db: Queryable, limit: number): Promise<TaskKey[]> {
    const { rows } = await db.query<TaskKey>(
      `select tenant_id as "tenantId", id as "taskId" from perdure.tasks
       where deadline <= now() order by deadline limit $1 for update skip locked`,
      [limit],
    );
    return rows;
  }
}

/** What a claim does to a row. A holder that is still named did not give its lease back: it died, or stood still. */
function claimed(owner: string, leaseMs: string, version: string): string {
  return `lease_token = t.lease_token + 1, lease_owner = ${owner}, lost = t.lost + (t.lease_owner is not null)::int,
    run_at = now() + ${leaseMs}::int4 * interval '1 ms', listens = false,
    agent_version = case when t.state = ${SUBMITTED} then ${version} else t.agent_version end`;
}

/** `tenant/task/token`: names one lease. */
export function leaseKey({ tenantId, taskId, token }: Lease): string {
  return `${tenantId}/${taskId}/${token}`;
}
