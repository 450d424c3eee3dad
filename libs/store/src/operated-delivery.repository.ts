import { SCAN, ScanConditions, scanPage, type ScanPage, type ScannedRow } from './bounded-scan.js';
import { type Queryable } from './database.js';
import { DELIVERY_STATE, type DeliveryState, IN_STATE, OF_CONFIG } from './delivery-state.js';

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

/** Which delivery it is. */
export interface DeliveryKey {
  readonly tenantId: string;
  readonly taskId: string;
  readonly configUid: string;
  readonly sequence: number;
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

const DELIVERY_COLUMNS = `d.tenant_id as "tenantId", d.task_id as "taskId", d.config_uid as "configUid", d.sequence,
  ${DELIVERY_STATE} as state, d.attempts, d.created_at as "createdAt", d.settled_at as "settledAt", d.next_at as "nextAt",
  a.at, a.latency_ms as "latencyMs", a.status, a.error`;

const LAST_ATTEMPT = `left join lateral (
    select a.at, a.latency_ms, a.status, a.error from perdure.push_attempts a
    where a.tenant_id = d.tenant_id and a.task_id = d.task_id and a.config_uid = d.config_uid and a.sequence = d.sequence
    order by a.attempt desc limit 1) a on true`;

/** SQL of what operators see of deliveries, across tenants. */
export class OperatedDeliveryRepository {
  /** Up to `limit` deliveries, by tenant, task, webhook and event, the last of each first; of a bounded number of rows. */
  async page(
    db: Queryable,
    filter: DeliveryFilter,
    { limit, after, order: direction = 'newest' }: DeliveryPaging,
  ): Promise<ScanPage<DeliveryRow, DeliveryKey>> {
    const { scanned, fits, values } = deliveryConditions(filter, direction, after);
    const way = direction === 'newest' ? 'desc' : 'asc';
    const order = ['tenant_id', 'task_id', 'config_uid', 'sequence'].map((column) => `d.${column} ${way}`).join(', ');
    const { rows } = await db.query<DeliveryRow & ScannedRow>(
      `with scanned as materialized (
         select d.*, ${fits} as fits, row_number() over (order by ${order})::int4 as place
         from (select d.* from perdure.push_deliveries d where ${scanned} order by ${order} limit ${SCAN}) d),
       shown as materialized (
         select * from scanned where fits or place = ${SCAN} order by place limit $${values.length + 1})
       select ${DELIVERY_COLUMNS}, d.fits, d.place from shown d ${LAST_ATTEMPT} order by d.place`,
      [...values, limit + 1],
    );
    return scanPage(rows, limit, ({ tenantId, taskId, configUid, sequence }) => ({
      ...{ tenantId, taskId, configUid, sequence },
    }));
  }

  async find(db: Queryable, configUid: string, sequence: number): Promise<DeliveryRow | undefined> {
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

/** What the partial indexes hold narrows the scan; the rest is passed over, and counted. */
function deliveryConditions(filter: DeliveryFilter, order: 'newest' | 'oldest', after?: DeliveryKey) {
  const conditions = new ScanConditions();
  const value = (given: unknown) => conditions.value(given);
  if (after) {
    const place = [value(after.tenantId), `${value(after.taskId)}::uuid`, `${value(after.configUid)}::uuid`];
    const key = '(d.tenant_id, d.task_id, d.config_uid, d.sequence)';
    conditions.narrow(`${key} ${order === 'newest' ? '<' : '>'} (${[...place, value(after.sequence)].join(', ')})`);
  }
  if (filter.tenantId !== undefined) conditions.narrow(`d.tenant_id = ${value(filter.tenantId)}`);
  if (filter.taskId !== undefined) conditions.narrow(`d.task_id = ${value(filter.taskId)}::uuid`);
  if (filter.configUid !== undefined) conditions.narrow(...ofWebhook(value(filter.configUid)));
  if (filter.state !== undefined) conditions.narrow(IN_STATE[filter.state]);
  if (filter.since !== undefined) conditions.pass(`coalesce(d.settled_at >= ${value(filter.since)}, false)`);
  if (filter.resting === true) conditions.pass('d.next_at is null');
  if (filter.endpoint !== undefined) {
    conditions.pass(`exists (select from perdure.push_lanes l where l.tenant_id = d.tenant_id and l.task_id = d.task_id
      and l.config_uid = d.config_uid and l.endpoint = ${value(filter.endpoint)})`);
  }
  return conditions;
}

/** The uid alone leads nowhere: the key of a delivery begins with tenant and task. */
function ofWebhook(uid: string): string[] {
  const key = (column: string) => `(select c.${column} from perdure.push_configs c where c.uid = ${uid}::uuid)`;
  return [`d.tenant_id = ${key('tenant_id')}`, `d.task_id = ${key('task_id')}`, `d.config_uid = ${uid}::uuid`];
}
