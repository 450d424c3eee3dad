import { type Queryable } from './database.js';

/** How a delivery stands: it waits to be sent, or is settled. */
export const DELIVERY_STATES = ['pending', 'delivered', 'dead', 'skipped'] as const;

/** One of `DELIVERY_STATES`. */
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Which webhooks an operator means; all conditions hold. */
export interface WebhookFilter {
  readonly tenantId?: string;
  readonly taskId?: string;
  /** The origin of its URL. */
  readonly endpoint?: string;
  readonly disabled?: boolean;
  /** Its endpoint fails. */
  readonly failing?: boolean;
}

/** Which deliveries an operator means; all conditions hold. */
export interface DeliveryFilter {
  readonly tenantId?: string;
  readonly taskId?: string;
  /** The uid of a webhook. */
  readonly configUid?: string;
  readonly endpoint?: string;
  readonly state?: DeliveryState;
  /** Settled at this time or later. */
  readonly since?: Date;
  /** Not those that are to be sent again anyhow. */
  readonly resting?: boolean;
}

/** Which part of a list of deliveries, and from which end. */
export interface DeliveryPaging {
  readonly limit: number;
  readonly after?: DeliveryKey;
  readonly order?: 'newest' | 'oldest';
}

/** Where a webhook stands in the list. */
export interface WebhookPosition {
  readonly tenantId: string;
  readonly taskId: string;
  readonly uid: string;
}

/** Which delivery it is. */
export interface DeliveryKey {
  readonly tenantId: string;
  readonly taskId: string;
  readonly configUid: string;
  readonly sequence: number;
}

/** How an endpoint stands, for one tenant. */
export interface EndpointState {
  /** Attempts that have failed since the last one that did not, and since when. */
  readonly failures: number;
  readonly failingSince: Date | null;
  /** Nothing is sent until then, but for a probe. */
  readonly openUntil: Date | null;
  /** Nothing is sent until an operator enables it. */
  readonly endpointDisabledAt: Date | null;
}

/** A webhook with what an operator asks of it first; nothing that is encrypted. */
export interface WebhookRow extends WebhookPosition, EndpointState {
  readonly id: string;
  readonly owner: string;
  readonly url: string;
  readonly endpoint: string;
  readonly scheme: string | null;
  readonly hasToken: boolean;
  readonly filter: string | null;
  readonly dialect: string | null;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
  readonly disabledReason: string | null;
  /** Until when the secret before this one signs as well; null where it does not. */
  readonly previousUntil: Date | null;
  /** Deliveries that wait, that are sent again, and that are dead. */
  readonly pending: number;
  readonly resending: number;
  readonly dead: number;
  readonly oldestAt: Date | null;
  /** When its lane is looked at next, and how often the event at its head has failed. */
  readonly dueAt: Date | null;
  readonly headFailures: number | null;
}

/** An endpoint that has something to send, or that fails. */
export interface EndpointRow extends EndpointState {
  readonly tenantId: string;
  readonly endpoint: string;
  /** Webhooks that have something to send, and those that are disabled. */
  readonly waiting: number;
  readonly disabled: number;
  /** Deliveries that wait, counted up to a bound. */
  readonly pending: number;
  readonly oldestAt: Date | null;
}

/** A delivery with its last attempt. */
export interface DeliveryRow extends DeliveryKey {
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly settledAt: Date | null;
  /** The end of a pause; of one that is settled: when it is sent again, aside of its lane's order. */
  readonly nextAt: Date | null;
  readonly at: Date | null;
  readonly latencyMs: number | null;
  readonly status: number | null;
  readonly error: string | null;
}

/** One attempt to deliver. */
export interface AttemptRow {
  readonly attempt: number;
  readonly at: Date;
  readonly latencyMs: number;
  readonly status: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

/** A part of a list: the rows that fit, and where to go on. */
export interface PushPage<Row, Position> {
  readonly rows: readonly Row[];
  readonly next?: Position;
}

/** Deliveries of one endpoint are counted so far. */
export const COUNTED_PENDING = 10_000;

/** Rows that one page looks at, at most, whether they fit or not. */
const SCAN = 5_000;

/** Whether its lane has been woken is the engine's business; a test waits for its one attempt as if it had been given up. */
export const DELIVERY_STATE = `case when d.state = 2 then 'delivered' when d.state = 4 then 'skipped'
  when d.state = 3 and (d.sequence > 0 or d.next_at is null) then 'dead' else 'pending' end`;
/** In the words of the partial indexes. */
const IN_STATE: Readonly<Record<DeliveryState, string>> = {
  pending: 'd.state < 2',
  delivered: 'd.state = 2',
  dead: 'd.state = 3 and d.sequence > 0',
  skipped: 'd.state = 4',
};

const OF_CONFIG = 'd.tenant_id = c.tenant_id and d.task_id = c.task_id and d.config_uid = c.uid';

const HEALTH = `coalesce(e.failures, 0) as failures, e.failing_since as "failingSince", e.open_until as "openUntil",
  e.disabled_at as "endpointDisabledAt"`;

const WEBHOOK_COLUMNS = `c.tenant_id as "tenantId", c.task_id as "taskId", c.id, c.uid, c.owner, c.url, c.endpoint, c.scheme,
  c.token is not null as "hasToken", c.filter, c.dialect, c.created_at as "createdAt", c.disabled_at as "disabledAt",
  c.disabled_reason as "disabledReason", case when c.previous_until > now() then c.previous_until end as "previousUntil",
  o.pending, o."oldestAt", r.resending, x.dead, l.due_at as "dueAt",
  h.failures as "headFailures",
  ${HEALTH}`;

const WEBHOOK_TABLES = `perdure.push_configs c
  left join perdure.push_lanes l on l.tenant_id = c.tenant_id and l.task_id = c.task_id and l.config_uid = c.uid
  left join perdure.push_endpoints e on e.tenant_id = c.tenant_id and e.endpoint = c.endpoint
  cross join lateral (select count(*)::int4 as pending, min(d.created_at) as "oldestAt"
    from perdure.push_deliveries d where ${OF_CONFIG} and d.state < 2) o
  cross join lateral (select count(*)::int4 as resending
    from perdure.push_deliveries d where ${OF_CONFIG} and d.state >= 2 and d.next_at is not null) r
  cross join lateral (select count(*)::int4 as dead
    from perdure.push_deliveries d where ${OF_CONFIG} and ${IN_STATE.dead}) x
  left join lateral (select d.failures from perdure.push_deliveries d where ${OF_CONFIG} and d.state < 2
    order by d.sequence limit 1) h on true`;

const DELIVERY_COLUMNS = `d.tenant_id as "tenantId", d.task_id as "taskId", d.config_uid as "configUid", d.sequence,
  ${DELIVERY_STATE} as state, d.attempts, d.created_at as "createdAt", d.settled_at as "settledAt", d.next_at as "nextAt",
  a.at, a.latency_ms as "latencyMs", a.status, a.error`;

const LAST_ATTEMPT = `left join lateral (
    select a.at, a.latency_ms, a.status, a.error from perdure.push_attempts a
    where a.tenant_id = d.tenant_id and a.task_id = d.task_id and a.config_uid = d.config_uid and a.sequence = d.sequence
    order by a.attempt desc limit 1) a on true`;

/** SQL of what operators see of webhooks, across tenants. */
export class PushOperatorRepository {
  /** Up to `limit` webhooks by tenant, task and uid. It looks at a bounded number of rows, as lists of tasks do. */
  async webhooks(
    db: Queryable,
    filter: WebhookFilter,
    limit: number,
    after?: WebhookPosition,
  ): Promise<PushPage<WebhookRow, WebhookPosition>> {
    const { scanned, fits, values } = webhookConditions(filter, after);
    const { rows } = await db.query<WebhookRow & { fits: boolean; place: number }>(
      `with scanned as materialized (
         select c.tenant_id, c.task_id, c.uid, ${fits} as fits,
           row_number() over (order by c.tenant_id, c.task_id, c.uid)::int4 as place
         from (select c.* from perdure.push_configs c where ${scanned}
               order by c.tenant_id, c.task_id, c.uid limit ${SCAN}) c
         left join perdure.push_endpoints e on e.tenant_id = c.tenant_id and e.endpoint = c.endpoint),
       shown as materialized (
         select * from scanned where fits or place = ${SCAN} order by place limit $${values.length + 1})
       select ${WEBHOOK_COLUMNS}, s.fits, s.place
       from shown s join (${WEBHOOK_TABLES}) on c.tenant_id = s.tenant_id and c.uid = s.uid and c.task_id = s.task_id
       order by s.place`,
      [...values, limit + 1],
    );
    return paged(rows, limit, ({ tenantId, taskId, uid }) => ({ tenantId, taskId, uid }));
  }

  async webhook(db: Queryable, uid: string): Promise<WebhookRow | undefined> {
    const { rows } = await db.query<WebhookRow>(`select ${WEBHOOK_COLUMNS} from ${WEBHOOK_TABLES} where c.uid = $1`, [
      uid,
    ]);
    return rows[0];
  }

  /** Endpoints that have something to send, or that fail, by tenant and name. */
  async endpoints(
    db: Queryable,
    tenantId: string | undefined,
    limit: number,
    after?: { readonly tenantId: string; readonly endpoint: string },
  ): Promise<PushPage<EndpointRow, { tenantId: string; endpoint: string }>> {
    const { rows } = await db.query<EndpointRow>(
      `with named as (
         select tenant_id, endpoint from perdure.push_endpoints where failures > 0 or disabled_at is not null
         union select tenant_id, endpoint from perdure.push_lanes where due_at is not null
         union select tenant_id, endpoint from perdure.push_configs where disabled_at is not null),
       shown as (
         select * from named n where ($1::text is null or n.tenant_id = $1)
           and ($2::text is null or (n.tenant_id, n.endpoint) > ($2, $3)) order by n.tenant_id, n.endpoint limit $4)
       select n.tenant_id as "tenantId", n.endpoint, ${HEALTH}, w.waiting, o.disabled, p.pending, p."oldestAt"
       from shown n left join perdure.push_endpoints e on e.tenant_id = n.tenant_id and e.endpoint = n.endpoint
       cross join lateral (select count(*)::int4 as waiting from perdure.push_lanes l
         where l.tenant_id = n.tenant_id and l.endpoint = n.endpoint and l.due_at is not null) w
       cross join lateral (select count(*)::int4 as disabled from perdure.push_configs c
         where c.tenant_id = n.tenant_id and c.endpoint = n.endpoint and c.disabled_at is not null) o
       cross join lateral (select count(*)::int4 as pending, min(q.created_at) as "oldestAt" from (
         select d.created_at from perdure.push_lanes l join perdure.push_deliveries d
           on d.tenant_id = l.tenant_id and d.task_id = l.task_id and d.config_uid = l.config_uid and d.state < 2
         where l.tenant_id = n.tenant_id and l.endpoint = n.endpoint and l.due_at is not null
         limit ${COUNTED_PENDING}) q) p
       order by n.tenant_id, n.endpoint`,
      [tenantId ?? null, after?.tenantId ?? null, after?.endpoint ?? null, limit + 1],
    );
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return { rows: shown, next: last && { tenantId: last.tenantId, endpoint: last.endpoint } };
  }

  /** Up to `limit` deliveries, by tenant, task, webhook and event, the last of each first; of a bounded number of rows. */
  async deliveries(
    db: Queryable,
    filter: DeliveryFilter,
    { limit, after, order: direction = 'newest' }: DeliveryPaging,
  ): Promise<PushPage<DeliveryRow, DeliveryKey>> {
    const { scanned, fits, values } = deliveryConditions(filter, direction, after);
    const way = direction === 'newest' ? 'desc' : 'asc';
    const order = ['tenant_id', 'task_id', 'config_uid', 'sequence'].map((column) => `d.${column} ${way}`).join(', ');
    const { rows } = await db.query<DeliveryRow & { fits: boolean; place: number }>(
      `with scanned as materialized (
         select d.*, ${fits} as fits, row_number() over (order by ${order})::int4 as place
         from (select d.* from perdure.push_deliveries d where ${scanned} order by ${order} limit ${SCAN}) d),
       shown as materialized (
         select * from scanned where fits or place = ${SCAN} order by place limit $${values.length + 1})
       select ${DELIVERY_COLUMNS}, d.fits, d.place from shown d ${LAST_ATTEMPT} order by d.place`,
      [...values, limit + 1],
    );
    return paged(rows, limit, ({ tenantId, taskId, configUid, sequence }) => ({
      ...{ tenantId, taskId, configUid, sequence },
    }));
  }

  async delivery(db: Queryable, configUid: string, sequence: number): Promise<DeliveryRow | undefined> {
    const { rows } = await db.query<DeliveryRow>(
      `select ${DELIVERY_COLUMNS} from perdure.push_configs c
       join perdure.push_deliveries d on ${OF_CONFIG} and d.sequence = $2 ${LAST_ATTEMPT} where c.uid = $1`,
      [configUid, sequence],
    );
    return rows[0];
  }

  /** The log of a delivery, newest attempt first. */
  async attempts(db: Queryable, key: DeliveryKey, limit: number): Promise<AttemptRow[]> {
    const { rows } = await db.query<AttemptRow>(
      `select attempt, at, latency_ms as "latencyMs", status, error, response from perdure.push_attempts
       where tenant_id = $1 and task_id = $2 and config_uid = $3 and sequence = $4 order by attempt desc limit $5`,
      [key.tenantId, key.taskId, key.configUid, key.sequence, limit],
    );
    return rows;
  }
}

function webhookConditions(filter: WebhookFilter, after?: WebhookPosition) {
  const { value, values } = parameters();
  const scanned = ['true'];
  const fits = ['true'];
  if (after) {
    const place = [value(after.tenantId), `${value(after.taskId)}::uuid`, `${value(after.uid)}::uuid`].join(', ');
    scanned.push(`(c.tenant_id, c.task_id, c.uid) > (${place})`);
  }
  if (filter.tenantId !== undefined) scanned.push(`c.tenant_id = ${value(filter.tenantId)}`);
  if (filter.taskId !== undefined) scanned.push(`c.task_id = ${value(filter.taskId)}::uuid`);
  if (filter.endpoint !== undefined) fits.push(`c.endpoint = ${value(filter.endpoint)}`);
  if (filter.disabled === true) fits.push('coalesce(c.disabled_at, e.disabled_at) is not null');
  if (filter.failing === true) fits.push('coalesce(e.failures, 0) > 0');
  return { scanned: scanned.join(' and '), fits: `(${fits.join(' and ')})`, values };
}

/** What the partial indexes hold narrows the scan; the rest is passed over, and counted. */
function deliveryConditions(filter: DeliveryFilter, order: 'newest' | 'oldest', after?: DeliveryKey) {
  const { value, values } = parameters();
  const scanned = ['true'];
  const fits = ['true'];
  if (after) {
    const place = [value(after.tenantId), `${value(after.taskId)}::uuid`, `${value(after.configUid)}::uuid`];
    const key = '(d.tenant_id, d.task_id, d.config_uid, d.sequence)';
    scanned.push(`${key} ${order === 'newest' ? '<' : '>'} (${[...place, value(after.sequence)].join(', ')})`);
  }
  if (filter.tenantId !== undefined) scanned.push(`d.tenant_id = ${value(filter.tenantId)}`);
  if (filter.taskId !== undefined) scanned.push(`d.task_id = ${value(filter.taskId)}::uuid`);
  if (filter.configUid !== undefined) scanned.push(...ofWebhook(value(filter.configUid)));
  if (filter.state !== undefined) scanned.push(IN_STATE[filter.state]);
  if (filter.since !== undefined) fits.push(`coalesce(d.settled_at >= ${value(filter.since)}, false)`);
  if (filter.resting === true) fits.push('d.next_at is null');
  if (filter.endpoint !== undefined) {
    fits.push(`exists (select from perdure.push_lanes l where l.tenant_id = d.tenant_id and l.task_id = d.task_id
      and l.config_uid = d.config_uid and l.endpoint = ${value(filter.endpoint)})`);
  }
  return { scanned: scanned.join(' and '), fits: `(${fits.join(' and ')})`, values };
}

/** The uid alone leads nowhere: the key of a delivery begins with tenant and task. */
function ofWebhook(uid: string): string[] {
  const key = (column: string) => `(select c.${column} from perdure.push_configs c where c.uid = ${uid}::uuid)`;
  return [`d.tenant_id = ${key('tenant_id')}`, `d.task_id = ${key('task_id')}`, `d.config_uid = ${uid}::uuid`];
}

function parameters() {
  const values: unknown[] = [];
  return { values, value: (given: unknown) => `$${values.push(given)}` };
}

function paged<Row extends { readonly fits: boolean; readonly place: number }, Position>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => Position,
): PushPage<Row, Position> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : rows.find(({ place }) => place === SCAN);
  return { rows: shown.filter(({ fits }) => fits), next: last && positionOf(last) };
}
