import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** An endpoint of one tenant: the origin of webhooks' URLs. */
export interface PushEndpointKey {
  readonly tenantId: string;
  readonly endpoint: string;
}

/** Names the lane of one config. */
export interface PushLaneKey extends TaskKey {
  readonly configUid: string;
}

/** A lane that was handed over, or is held: the token is raised by whoever gets it next. */
export interface PushLease extends PushLaneKey {
  readonly token: number;
}

/** An endpoint that has lanes to look at. */
export interface PushEndpointView extends PushEndpointKey {
  /** Milliseconds until something may be sent to it: 0 or less where that is now. */
  readonly dueMs: number;
  /** Attempts that have failed since its last success. */
  readonly failures: number;
}

/** How many lanes of an endpoint are under way. */
export interface PushUnderWay extends PushEndpointKey {
  /** Handed to the queue, or held by a worker. */
  readonly lanes: number;
  /** Those that are in the queue. */
  readonly handed: number;
}

/** Names the advisory lock of the relay that looks at the lanes. */
const RELAY_LOCK = [1_346_720_837, 2];

const KEY = 'l.tenant_id = $1 and l.task_id = $2 and l.config_uid = $3';
const SAME = 'd.tenant_id = l.tenant_id and d.task_id = l.task_id and d.config_uid = l.config_uid';

/**
 * SQL of `push_lanes`: which lanes are due, and whose turn it is. The database's clock decides. Lanes are locked before their
 * deliveries, several of them in the order of their configs' uids.
 */
export class PushLaneRepository {
  /** Opens the lane of a new config. One that is there goes on at the config's new endpoint, as if nothing had failed so far. */
  async open(tx: Queryable, lane: PushLaneKey & Pick<PushEndpointKey, 'endpoint'>): Promise<void> {
    const { tenantId, taskId, configUid, endpoint } = lane;
    const { rows } = await tx.query<{ isNew: boolean }>(
      `insert into perdure.push_lanes as l (tenant_id, task_id, config_uid, endpoint) values ($1, $2, $3, $4)
       on conflict (tenant_id, task_id, config_uid) do update set endpoint = excluded.endpoint, is_paused = false,
         is_hastened = l.stage > 0, due_at = case when l.stage > 0 then l.due_at else now() end
       returning xmax = 0 as "isNew"`,
      [tenantId, taskId, configUid, endpoint],
    );
    if (rows[0]?.isNew) return;
    await tx.query(
      `update perdure.push_deliveries set failures = 0, next_at = null
       where tenant_id = $1 and task_id = $2 and config_uid = $3 and state < 2 and failures > 0`,
      [tenantId, taskId, configUid],
    );
  }

  /** Ends the lane of a config that is deleted. Where a worker holds it, that one drops it when it sends nothing more. */
  async close(tx: Queryable, { tenantId, taskId, configUid }: PushLaneKey): Promise<void> {
    const values = [tenantId, taskId, configUid];
    await tx.query(`update perdure.push_lanes l set is_closed = true where ${KEY}`, values);
    await tx.query(
      `delete from perdure.push_lanes l where ${KEY} and (l.stage < 2 or l.due_at <= clock_timestamp())`,
      values,
    );
  }

  /** Whether a worker may be sending right now: it holds the lane, and its lease has not run out. */
  async isUnderWay(db: Queryable, { tenantId, taskId, configUid }: PushLaneKey): Promise<boolean> {
    const { rows } = await db.query(
      `select 1 from perdure.push_lanes l where ${KEY} and l.stage = 2 and l.due_at > clock_timestamp()`,
      [tenantId, taskId, configUid],
    );
    return rows.length > 0;
  }

  /** Has the lane looked at now, or once more by whoever holds it. */
  async hasten(tx: Queryable, { tenantId, taskId, configUid }: PushLaneKey): Promise<void> {
    await tx.query(
      `update perdure.push_lanes l set is_hastened = l.stage > 0,
         due_at = case when l.stage > 0 or l.is_paused then l.due_at else now() end
       where ${KEY}`,
      [tenantId, taskId, configUid],
    );
  }

  /**
   * Disables the lane's config, until it is enabled or replaced, where it still has the URL; false where it has not, or is
   * disabled already.
   */
  async disable(db: Queryable, lane: PushLaneKey, url: string, reason: string): Promise<boolean> {
    const { rowCount } = await db.query(
      `with l as materialized (select * from perdure.push_lanes l where ${KEY} for update),
       c as (
         update perdure.push_configs c set disabled_at = now(), disabled_reason = $5 from l
         where c.tenant_id = $1 and c.task_id = $2 and c.uid = $3 and c.url = $4 and c.disabled_at is null returning 1)
       update perdure.push_lanes d set is_paused = true, due_at = case when d.stage = 2 then d.due_at end,
         stage = case when d.stage = 2 then 2 else 0 end
       from l where ${SAME} and exists (select from c)`,
      [lane.tenantId, lane.taskId, lane.configUid, url, reason],
    );
    return rowCount === 1;
  }

  /** Makes this transaction the only one that relays; false where another one does. */
  async lockRelay(tx: Queryable): Promise<boolean> {
    const text = 'select pg_try_advisory_xact_lock($1::int4, $2::int4) as locked';
    const { rows } = await tx.query<{ locked: boolean }>(text, RELAY_LOCK);
    return rows[0]!.locked;
  }

  /**
   * Makes the lanes due, in `delayMs`, of up to `limit` deliveries that nobody has looked at yet; answers with the number of
   * those lanes. A lane whose head waits for its next attempt goes on waiting.
   */
  async wake(tx: Queryable, limit: number, delayMs: number): Promise<number> {
    const { rows } = await tx.query<{ count: number }>(
      `with n as materialized (
         select tenant_id, task_id, config_uid, sequence from perdure.push_deliveries where state = 0
         order by created_at limit $1),
       l as materialized (
         select l.tenant_id, l.task_id, l.config_uid from perdure.push_lanes l
         join (select distinct tenant_id, task_id, config_uid from n) n using (tenant_id, task_id, config_uid)
         order by l.config_uid for update of l),
       d as (
         update perdure.push_deliveries d set state = 1 from l join n using (tenant_id, task_id, config_uid)
         where ${SAME} and d.sequence = n.sequence and d.state = 0),
       u as (
         update perdure.push_lanes l set is_hastened = l.stage > 0,
           due_at = case when l.stage > 0 or l.is_paused then l.due_at
             when l.due_at is null or exists (
               select from perdure.push_deliveries d where ${SAME} and d.next_at is not null and d.state >= 2)
             then now() + $2::float8 * interval '1 ms' else l.due_at end
         from l woken where l.tenant_id = woken.tenant_id and l.task_id = woken.task_id and l.config_uid = woken.config_uid)
       select count(*)::int4 as count from l`,
      [limit, delayMs],
    );
    return rows[0]!.count;
  }

  /**
   * Looks at the `limit` endpoints with lanes that follow on `after`, by tenant and endpoint: a few index lookups for each,
   * however many lanes it has. Disabled ones are left out. `last` is the last one it has looked at, undefined where there
   * are no more.
   */
  async endpointsAfter(
    tx: Queryable,
    after: PushEndpointKey | undefined,
    limit: number,
  ): Promise<{ endpoints: PushEndpointView[]; last?: PushEndpointKey }> {
    const next = (than: string) =>
      `select tenant_id, endpoint, due_at from perdure.push_lanes
       where due_at is not null and (tenant_id, endpoint) > (${than}) order by tenant_id, endpoint, due_at limit 1`;
    const { rows } = await tx.query<PushEndpointView & { isDisabled: boolean }>(
      `with recursive e as (
         (select *, 1 as n from (${next('$1, $2')}) first)
         union all
         select following.*, n + 1 from e, lateral (${next('e.tenant_id, e.endpoint')}) following where n < $3::int4)
       select e.tenant_id as "tenantId", e.endpoint, coalesce(h.failures, 0) as failures,
         extract(epoch from greatest(e.due_at, h.open_until) - now())::float8 * 1000 as "dueMs",
         h.disabled_at is not null as "isDisabled"
       from e left join perdure.push_endpoints h on h.tenant_id = e.tenant_id and h.endpoint = e.endpoint`,
      [after?.tenantId ?? '', after?.endpoint ?? '', limit],
    );
    const last = rows.length < limit ? undefined : rows.at(-1);
    return { endpoints: rows.filter(({ isDisabled }) => !isDisabled), last };
  }

  /** What is under way: in the queue or with a worker, and not overdue. */
  async underWay(tx: Queryable): Promise<PushUnderWay[]> {
    const { rows } = await tx.query<PushUnderWay>(
      `select tenant_id as "tenantId", endpoint, count(*)::int4 as lanes, (count(*) filter (where stage = 1))::int4 as handed
       from perdure.push_lanes where stage > 0 and due_at > now() group by 1, 2`,
    );
    return rows;
  }

  /**
   * Takes up to so many due lanes of each endpoint, those first that have been due for longest, for the queue: unless somebody
   * claims them, they are due again in `graceMs`.
   */
  async handOver(
    tx: Queryable,
    shares: readonly (PushEndpointKey & { readonly lanes: number })[],
    graceMs: number,
  ): Promise<PushLease[]> {
    const { rows } = await tx.query<PushLease>(
      `with due as materialized (
         select lane.* from unnest($1::text[], $2::text[], $3::int4[]) w(tenant, endpoint, lanes),
           lateral (select tenant_id, task_id, config_uid, is_closed, is_paused from perdure.push_lanes
                    where tenant_id = w.tenant and endpoint = w.endpoint and due_at <= now()
                    order by due_at limit w.lanes for update skip locked) lane),
       closed as (delete from perdure.push_lanes l using due d where ${SAME} and d.is_closed),
       paused as (
         update perdure.push_lanes l set token = l.token + 1, stage = 0, due_at = null
         from due d where ${SAME} and d.is_paused and not d.is_closed)
       update perdure.push_lanes l set token = l.token + 1, stage = 1, due_at = now() + $4::int4 * interval '1 ms'
       from due d where ${SAME} and not d.is_closed and not d.is_paused
       returning l.tenant_id as "tenantId", l.task_id as "taskId", l.config_uid as "configUid", l.token`,
      [
        shares.map(({ tenantId }) => tenantId),
        shares.map(({ endpoint }) => endpoint),
        shares.map(({ lanes }) => lanes),
        graceMs,
      ],
    );
    return rows;
  }

  /** Takes lanes back that were handed over, and that nobody has claimed: they are due now. */
  async takeBack(db: Queryable, leases: readonly PushLease[]): Promise<void> {
    await db.query(
      `with w as materialized (
         select l.tenant_id, l.task_id, l.config_uid from unnest($1::text[], $2::uuid[], $3::uuid[], $4::int4[])
           w(tenant_id, task_id, config_uid, token)
         join perdure.push_lanes l using (tenant_id, task_id, config_uid, token) where l.stage = 1
         order by l.config_uid for update of l)
       update perdure.push_lanes l set stage = 0, token = l.token + 1, due_at = now()
       from w d where ${SAME} and l.stage = 1`,
      [
        leases.map(({ tenantId }) => tenantId),
        leases.map(({ taskId }) => taskId),
        leases.map(({ configUid }) => configUid),
        leases.map(({ token }) => token),
      ],
    );
  }
}
