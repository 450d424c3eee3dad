import { type Queryable } from './database.js';
import { PUSH_CONFIG_COLUMNS, type PushConfigRow } from './push-config.repository.js';
import { type PushLaneKey, type PushLease } from './push-lane.repository.js';

/** What a lane has to send. */
export interface PushDelivery {
  /** Of the event; below 0: a test, which sends the task as it stands. */
  readonly sequence: number;
  /** Attempts that have failed since it was put into the lane, or was sent again: its place in the schedule. */
  readonly failures: number;
  /** StreamResponse as ProtoJSON; null for a test. */
  readonly event: string | null;
}

/** What waits in a lane that is held. */
export interface PushWork {
  readonly config: PushConfigRow;
  /** Changes with each change of the config. */
  readonly configVersion: string;
  /** The first of those that go out in order, undefined times left out: empty while the head waits for its next attempt. */
  readonly heads: readonly PushDelivery[];
  /** More may wait behind them. */
  readonly hasMore: boolean;
  /** Milliseconds until the head may be tried again; undefined where there is none that waits. */
  readonly headMs?: number;
  /** What an operator has sent again, aside of the order, if it is due. */
  readonly resend?: PushDelivery;
  /** Milliseconds until something is to be sent again; undefined where nothing is. */
  readonly resendMs?: number;
  /** Attempts at its endpoint that have failed since the last success. */
  readonly endpointFailures: number;
}

/** An attempt, as the log keeps it. */
export interface PushAttempt {
  readonly at: Date;
  readonly latencyMs: number;
  /** HTTP status; null where none came. */
  readonly status: number | null;
  /** Why there is none. */
  readonly error: string | null;
  /** The beginning of the answer. */
  readonly response: string | null;
}

/** How a delivery stands. */
export const DeliveryCode = { new: 0, pending: 1, delivered: 2, dead: 3, skipped: 4 } as const;

/** What became of a delivery. */
export interface PushResult {
  readonly sequence: number;
  /** Undefined: as it was. */
  readonly state?: (typeof DeliveryCode)[keyof typeof DeliveryCode];
  readonly failures: number;
  /** Milliseconds until it is tried again; undefined where it is not. */
  readonly retryMs?: number;
  /** Undefined where nothing was sent. */
  readonly attempt?: PushAttempt;
}

/**
 * What becomes of the lane. `keep`: held on to, under the lease it has. `renew`: under a new one. `reread`: the same, to be read
 * once more. `rest`: given back, or read once more where something has come since it was read. `leave`: given back.
 */
export type LaneCourse = 'keep' | 'renew' | 'reread' | 'rest' | 'leave';

/** One step of whoever holds a lane. */
export interface LaneStep {
  readonly lease: PushLease;
  readonly results: readonly PushResult[];
  readonly course: LaneCourse;
  /** Of the config that the results come of, where the lane is held on to. */
  readonly configVersion?: string;
  /** Where it is given back: milliseconds until it is due; undefined where nothing waits in it. */
  readonly dueMs?: number;
}

/**
 * `held` on to; the same, to be read once more (`reread`): something has come that it was to rest for, or its config has changed;
 * `released`; given back because its config is disabled or deleted (`stopped`); or `lost` before, and nothing was written.
 */
export type StepOutcome = 'held' | 'reread' | 'released' | 'stopped' | 'lost';

const SAME = 'd.tenant_id = l.tenant_id and d.task_id = l.task_id and d.config_uid = l.config_uid';
const COURSES: readonly LaneCourse[] = ['keep', 'renew', 'reread', 'rest', 'leave'];
const [KEEP, , REREAD, REST] = COURSES.keys();
const RESULT_COLUMNS = 'lane, sequence, state, failures, retry_ms, at, latency_ms, status, error, response';

/** SQL of `push_deliveries` and `push_attempts`, for whoever holds their lanes: of many lanes at a time. */
export class PushDeliveryRepository {
  /** Takes those of the lanes that are still in the queue, for `leaseMs`. */
  async claim(db: Queryable, leases: readonly PushLease[], leaseMs: number): Promise<PushLease[]> {
    const { rows } = await db.query<PushLease>(
      `with l as materialized (
         select w.* from unnest($1::text[], $2::uuid[], $3::uuid[], $4::int4[]) w(tenant_id, task_id, config_uid, token),
           lateral (select 1 from perdure.push_lanes l where ${named('l')} and l.stage = 1 and not l.is_closed
             and not l.is_paused for update) x)
       update perdure.push_lanes d set stage = 2, is_hastened = false, due_at = now() + $5::int4 * interval '1 ms'
       from l where ${SAME} and d.token = l.token
       returning d.tenant_id as "tenantId", d.task_id as "taskId", d.config_uid as "configUid", d.token`,
      [...leaseValues(leases.toSorted(byUid)), leaseMs],
    );
    return rows;
  }

  /**
   * What waits in lanes that are held, in their order: up to `limit` deliveries of each, those beyond the first as far as their events have
   * no more than `maxBytes`. Undefined for one whose config is gone.
   */
  async work(
    db: Queryable,
    lanes: readonly PushLaneKey[],
    { limit, maxBytes }: { readonly limit: number; readonly maxBytes: number },
  ): Promise<(PushWork | undefined)[]> {
    const { rows } = await db.query<WorkRow>(
      `select l.n::int4, ${PUSH_CONFIG_COLUMNS}, c.xmin::text as "configVersion", w.found, w.sequence, w.failures as "deliveryFailures", w.event, w.state >= 2 as "isResend",
         extract(epoch from w.next_at - now())::float8 * 1000 as "waitMs",
         coalesce((select failures from perdure.push_endpoints h
                   where h.tenant_id = c.tenant_id and h.endpoint = c.endpoint), 0) as "endpointFailures"
       from unnest($1::text[], $2::uuid[], $3::uuid[]) with ordinality l(tenant_id, task_id, config_uid, n)
       join perdure.push_configs c on c.uid = l.config_uid and c.tenant_id = l.tenant_id
       left join lateral (
         select * from (
           select d.*, e.event, (count(*) over ())::int4 as found,
             sum(octet_length(e.event)) over (order by d.sequence) - octet_length(e.event) as before
           from (select * from perdure.push_deliveries d where ${SAME} and d.state < 2 order by d.sequence limit $4) d
           left join perdure.task_events e on e.tenant_id = d.tenant_id and e.task_id = d.task_id and e.sequence = d.sequence
           ) head where before is null or before <= $5
         union all (
           select d.*, e.event, 0, 0 from perdure.push_deliveries d
           left join perdure.task_events e on e.tenant_id = d.tenant_id and e.task_id = d.task_id and e.sequence = d.sequence
           where ${SAME} and d.state >= 2 and d.next_at is not null order by d.next_at, d.sequence limit 1)) w on true
       order by l.n, w.sequence`,
      [...keyValues(lanes), limit, maxBytes],
    );
    const byLane = lanes.map((): WorkRow[] => []);
    for (const row of rows) byLane[row.n - 1]!.push(row);
    return byLane.map((found) => workOf(found, limit));
  }

  /** Writes down what became of deliveries, and what becomes of their lanes; renewed leases last `leaseMs`. In the steps' order. */
  async settle(db: Queryable, steps: readonly LaneStep[], leaseMs: number): Promise<StepOutcome[]> {
    const sorted = steps.toSorted((a, b) => byUid(a.lease, b.lease));
    const { rows } = await db.query<{ place: number; outcome: StepOutcome }>(SETTLE, [
      ...leaseValues(sorted.map(({ lease }) => lease)),
      sorted.map(({ course }) => COURSES.indexOf(course)),
      sorted.map(({ dueMs }) => dueMs ?? null),
      sorted.map(({ configVersion }) => configVersion ?? null),
      leaseMs,
      ...resultValues(sorted),
    ]);
    const outcomes = new Map(rows.map(({ place, outcome }) => [sorted[place - 1], outcome]));
    return steps.map((step) => outcomes.get(step) ?? 'lost');
  }

  /** Forgets up to `limit` attempts, and as many deliveries that need no more, that are older than `ageMs`; answers with their number. */
  async purge(db: Queryable, ageMs: number, limit: number): Promise<number> {
    const old = `now() - $1::float8 * interval '1 ms'`;
    const attempts = await db.query(
      `delete from perdure.push_attempts where ctid = any(array(
         select ctid from perdure.push_attempts where at < ${old} limit $2))`,
      [ageMs, limit],
    );
    const deliveries = await db.query(
      `delete from perdure.push_deliveries where ctid = any(array(
         select ctid from perdure.push_deliveries where settled_at < ${old} and next_at is null limit $2))`,
      [ageMs, limit],
    );
    return (attempts.rowCount ?? 0) + (deliveries.rowCount ?? 0);
  }
}

const named = (lane: string) =>
  `${lane}.tenant_id = w.tenant_id and ${lane}.task_id = w.task_id and ${lane}.config_uid = w.config_uid and ${lane}.token = w.token`;

/**
 * `l` locks the lanes in the order of their keys, and has them as they are then. One that is closed or paused is given back
 * whatever its holder wants; one that was hastened since it was read is read once more.
 */
const SETTLE = `
  with l as materialized (
    select w.*, x.is_closed or x.is_paused as is_stopped, x.is_closed, x.is_hastened,
      w.version is not null and not exists (
        select from perdure.push_configs c where c.tenant_id = w.tenant_id and c.uid = w.config_uid
          and c.xmin::text = w.version) as is_changed
    from unnest($1::text[], $2::uuid[], $3::uuid[], $4::int4[], $5::int2[], $6::float8[], $7::text[]) with ordinality
        w(tenant_id, task_id, config_uid, token, course, due_ms, version, place),
      lateral (select * from perdure.push_lanes l where ${named('l')} and l.stage = 2 for update) x),
  c as materialized (
    select *, not is_stopped and (course < ${REST} or course = ${REST} and is_hastened) as is_held,
      course < ${REREAD} and is_changed or course in (${REREAD}, ${REST}) as is_reread from l),
  r as materialized (
    select c.tenant_id, c.task_id, c.config_uid, r.*
    from unnest($9::int4[], $10::int4[], $11::int2[], $12::int4[], $13::float8[], $14::timestamptz[], $15::int4[],
      $16::int2[], $17::text[], $18::text[]) r(${RESULT_COLUMNS}) join c on c.place = r.lane),
  d as (
    update perdure.push_deliveries d set state = coalesce(l.state, d.state), failures = l.failures,
      attempts = d.attempts + (l.at is not null)::int4, next_at = now() + l.retry_ms * interval '1 ms',
      settled_at = case when l.state is null then d.settled_at else now() end
    from r l where ${SAME} and d.sequence = l.sequence
    returning d.tenant_id, d.task_id, d.config_uid, d.sequence, d.attempts, l.at, l.latency_ms, l.status, l.error, l.response),
  a as (
    insert into perdure.push_attempts (tenant_id, task_id, config_uid, sequence, attempt, at, latency_ms, status, error, response)
    select * from d where at is not null),
  u as (
    update perdure.push_lanes d set
      stage = case when l.is_held then 2 else 0 end,
      token = d.token + (not l.is_held)::int4,
      is_hastened = l.is_hastened and l.is_held and not l.is_reread,
      due_at = case when l.is_held then now() + $8::int4 * interval '1 ms' when l.is_stopped then null
        when l.is_hastened then now() else now() + l.due_ms * interval '1 ms' end
    from c l where ${SAME} and not l.is_closed and not (l.is_held and l.course = ${KEEP} and not l.is_reread)),
  gone as (delete from perdure.push_lanes d using c l where ${SAME} and l.is_closed)
  select place::int4, case when is_stopped then 'stopped' when not is_held then 'released' when is_reread then 'reread'
    else 'held' end as outcome from c`;

interface WorkRow extends PushConfigRow {
  readonly n: number;
  readonly configVersion: string;
  /** Heads that wait, up to the limit. */
  readonly found: number;
  readonly sequence: number | null;
  readonly deliveryFailures: number;
  readonly event: string | null;
  readonly isResend: boolean;
  readonly waitMs: number | null;
  readonly endpointFailures: number;
}

function workOf(rows: readonly WorkRow[], limit: number): PushWork | undefined {
  const [first] = rows;
  if (!first) return undefined;
  const deliveries = rows.filter(({ sequence }) => sequence !== null);
  const heads = deliveries.filter(({ isResend }) => !isResend);
  const resend = deliveries.find(({ isResend }) => isResend);
  const headMs = isWaiting(heads[0]) ? heads[0].waitMs : undefined;
  const found = heads[0]?.found ?? 0;
  return {
    config: first,
    configVersion: first.configVersion,
    endpointFailures: first.endpointFailures,
    heads: headMs === undefined ? heads.map(deliveryOf) : [],
    hasMore: found === limit || heads.length < found,
    headMs,
    resend: resend && !isWaiting(resend) ? deliveryOf(resend) : undefined,
    resendMs: resend?.waitMs ?? undefined,
  };
}

function isWaiting(row: WorkRow | undefined): row is WorkRow & { readonly waitMs: number } {
  return row?.waitMs != null && row.waitMs > 0;
}

function deliveryOf({ sequence, deliveryFailures, event }: WorkRow): PushDelivery {
  return { sequence: sequence!, failures: deliveryFailures, event };
}

function keyValues(lanes: readonly PushLaneKey[]): unknown[] {
  return [lanes.map((l) => l.tenantId), lanes.map((l) => l.taskId), lanes.map((l) => l.configUid)];
}

function leaseValues(leases: readonly PushLease[]): unknown[] {
  return [...keyValues(leases), leases.map(({ token }) => token)];
}

/** The columns of RESULT_COLUMNS. */
function resultValues(steps: readonly LaneStep[]): unknown[] {
  const results = steps.flatMap((step, i) => step.results.map((result) => ({ ...result, lane: i + 1 })));
  return [
    results.map(({ lane }) => lane),
    results.map(({ sequence }) => sequence),
    results.map(({ state }) => state ?? null),
    results.map(({ failures }) => failures),
    results.map(({ retryMs }) => retryMs ?? null),
    results.map(({ attempt }) => attempt?.at.toISOString() ?? null),
    results.map(({ attempt }) => attempt?.latencyMs ?? null),
    results.map(({ attempt }) => attempt?.status ?? null),
    results.map(({ attempt }) => attempt?.error ?? null),
    results.map(({ attempt }) => attempt?.response ?? null),
  ];
}

/** The order in which all who lock several lanes do so. */
function byUid(a: { readonly configUid: string }, b: { readonly configUid: string }): number {
  return a.configUid < b.configUid ? -1 : a.configUid > b.configUid ? 1 : 0;
}
