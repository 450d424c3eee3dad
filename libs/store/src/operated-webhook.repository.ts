import { SCAN, ScanConditions, scanPage, type ScanPage, type ScannedRow } from './bounded-scan.js';
import { type Queryable } from './database.js';
import { IN_STATE, OF_CONFIG } from './delivery-state.js';

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

/** Where a webhook stands in the list. */
export interface WebhookPosition {
  readonly tenantId: string;
  readonly taskId: string;
  readonly uid: string;
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

/** Deliveries of one endpoint are counted so far. */
export const COUNTED_PENDING = 10_000;

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

/** SQL of what operators see of webhooks, across tenants. */
export class OperatedWebhookRepository {
  /** Up to `limit` webhooks by tenant, task and uid. It looks at a bounded number of rows, as lists of tasks do. */
  async page(
    db: Queryable,
    filter: WebhookFilter,
    limit: number,
    after?: WebhookPosition,
  ): Promise<ScanPage<WebhookRow, WebhookPosition>> {
    const { scanned, fits, values } = webhookConditions(filter, after);
    const { rows } = await db.query<WebhookRow & ScannedRow>(
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
    return scanPage(rows, limit, ({ tenantId, taskId, uid }) => ({ tenantId, taskId, uid }));
  }

  async find(db: Queryable, uid: string): Promise<WebhookRow | undefined> {
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
  ): Promise<ScanPage<EndpointRow, { tenantId: string; endpoint: string }>> {
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
}

function webhookConditions(filter: WebhookFilter, after?: WebhookPosition) {
  const conditions = new ScanConditions();
  const value = (given: unknown) => conditions.value(given);
  if (after) {
    const place = [value(after.tenantId), `${value(after.taskId)}::uuid`, `${value(after.uid)}::uuid`].join(', ');
    conditions.narrow(`(c.tenant_id, c.task_id, c.uid) > (${place})`);
  }
  if (filter.tenantId !== undefined) conditions.narrow(`c.tenant_id = ${value(filter.tenantId)}`);
  if (filter.taskId !== undefined) conditions.narrow(`c.task_id = ${value(filter.taskId)}::uuid`);
  if (filter.endpoint !== undefined) conditions.pass(`c.endpoint = ${value(filter.endpoint)}`);
  if (filter.disabled === true) conditions.pass('coalesce(c.disabled_at, e.disabled_at) is not null');
  if (filter.failing === true) conditions.pass('coalesce(e.failures, 0) > 0');
  return conditions;
}
