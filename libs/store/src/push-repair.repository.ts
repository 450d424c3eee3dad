import { type Queryable } from './database.js';
import { DELIVERY_STATE, type DeliveryState } from './delivery-state.js';
import { type PushLaneKey } from './push-lane.repository.js';

/** A lane that is locked. */
export interface LaneRow extends PushLaneKey {
  readonly endpoint: string;
  /** Somebody is at it, and the lease lasts. */
  readonly isHeld: boolean;
  readonly isDisabled: boolean;
}

/** What decides on a resend. */
export interface ResendRow {
  readonly sequence: number;
  readonly state: DeliveryState;
  /** It has a time before which it is not sent, and that has come. */
  readonly isTimed: boolean;
  readonly isDue: boolean;
  /** The sequence of the event that goes out next. */
  readonly head: number | null;
}

/** SQL of what operators do to webhooks. It locks lanes, then deliveries or configs, and never a task: no commit waits for it. */
export class PushRepairRepository {
  /** Locks the lane of a webhook until the transaction ends: nobody claims or releases it meanwhile. */
  async lockLane(tx: Queryable, uid: string): Promise<LaneRow | undefined> {
    const { rows } = await tx.query<LaneRow>(
      `select l.tenant_id as "tenantId", l.task_id as "taskId", l.config_uid as "configUid", l.endpoint,
         l.stage = 2 and l.due_at > clock_timestamp() as "isHeld",
         coalesce(c.disabled_at, e.disabled_at) is not null as "isDisabled"
       from perdure.push_configs c
       join perdure.push_lanes l on l.tenant_id = c.tenant_id and l.task_id = c.task_id and l.config_uid = c.uid
       left join perdure.push_endpoints e on e.tenant_id = c.tenant_id and e.endpoint = c.endpoint
       where c.uid = $1 and not l.is_closed for update of l`,
      [uid],
    );
    return rows[0];
  }

  /** What decides on a resend of these events of a locked lane, as far as it has them. */
  async forResend(tx: Queryable, lane: PushLaneKey, sequences: readonly number[]): Promise<ResendRow[]> {
    // now() is the begin of the transaction: whoever held the lock since may have set a later time.
    const { rows } = await tx.query<ResendRow>(
      `select d.sequence, ${DELIVERY_STATE} as state, d.next_at is not null as "isTimed",
         coalesce(d.next_at <= clock_timestamp(), false) as "isDue",
         (select min(h.sequence) from perdure.push_deliveries h where h.tenant_id = $1 and h.task_id = $2
            and h.config_uid = $3 and h.state < 2) as head
       from perdure.push_deliveries d
       where d.tenant_id = $1 and d.task_id = $2 and d.config_uid = $3 and d.sequence = any($4::int4[])`,
      [lane.tenantId, lane.taskId, lane.configUid, sequences],
    );
    return rows;
  }

  /** Has deliveries of a locked lane sent now, aside of its order; where they fail, their schedule begins anew. */
  async resend(tx: Queryable, lane: PushLaneKey, sequences: readonly number[]): Promise<void> {
    await tx.query(
      `update perdure.push_deliveries set next_at = now(), failures = 0
       where tenant_id = $1 and task_id = $2 and config_uid = $3 and sequence = any($4::int4[])`,
      [lane.tenantId, lane.taskId, lane.configUid, sequences],
    );
  }

  /** Ends the pause before the next attempt for the event at the head of a locked lane. */
  async hastenHead(tx: Queryable, lane: PushLaneKey): Promise<void> {
    await tx.query(
      `update perdure.push_deliveries set next_at = null
       where tenant_id = $1 and task_id = $2 and config_uid = $3 and state < 2 and next_at is not null`,
      [lane.tenantId, lane.taskId, lane.configUid],
    );
  }

  /** Adds a test to a locked lane: a delivery with the next free number below 0, to be sent now. */
  async addTest(tx: Queryable, { tenantId, taskId, configUid }: PushLaneKey): Promise<number> {
    const { rows } = await tx.query<{ sequence: number }>(
      `insert into perdure.push_deliveries (tenant_id, task_id, config_uid, sequence, state, next_at)
       select $1::text, $2::uuid, $3::uuid, least(coalesce(min(sequence), 0), 0) - 1, 3, now()
       from perdure.push_deliveries where tenant_id = $1 and task_id = $2 and config_uid = $3 returning sequence`,
      [tenantId, taskId, configUid],
    );
    return rows[0]!.sequence;
  }

  /**
   * Puts a new secret, sealed, in the place of the current one of a locked lane's webhook; that signs as well for so long, not
   * at all with 0 ms. Answers until when.
   */
  async rotateSecret(
    tx: Queryable,
    { tenantId, taskId, configUid }: PushLaneKey,
    secret: string,
    keepMs: number,
  ): Promise<Date | null> {
    const { rows } = await tx.query<{ until: Date | null }>(
      `update perdure.push_configs set secret = $4, previous_secret = case when $5::float8 > 0 then secret end,
         previous_until = case when $5::float8 > 0 then now() + $5::float8 * interval '1 ms' end
       where tenant_id = $1 and task_id = $2 and uid = $3 returning previous_until as until`,
      [tenantId, taskId, configUid, secret, keepMs],
    );
    return rows[0]?.until ?? null;
  }

  /** Enables a webhook whose lane is locked; false where it was not disabled itself. */
  async enable(tx: Queryable, { tenantId, taskId, configUid }: PushLaneKey): Promise<boolean> {
    const { rowCount } = await tx.query(
      `with l as (
         update perdure.push_lanes set is_paused = false
         where tenant_id = $1 and task_id = $2 and config_uid = $3)
       update perdure.push_configs set disabled_at = null, disabled_reason = null
       where tenant_id = $1 and task_id = $2 and uid = $3 and disabled_at is not null`,
      [tenantId, taskId, configUid],
    );
    return rowCount === 1;
  }

  /** The uids of disabled webhooks of an endpoint, at most `limit`, in the order in which their lanes are locked. */
  async disabledOf(db: Queryable, tenantId: string, endpoint: string, limit: number): Promise<string[]> {
    const { rows } = await db.query<{ uid: string }>(
      `select uid from perdure.push_configs where tenant_id = $1 and endpoint = $2 and disabled_at is not null
       order by uid limit $3`,
      [tenantId, endpoint, limit],
    );
    return rows.map(({ uid }) => uid);
  }

  /** Whether there is a webhook with this endpoint. */
  async hasEndpoint(db: Queryable, tenantId: string, endpoint: string): Promise<boolean> {
    const { rowCount } = await db.query(
      'select from perdure.push_configs where tenant_id = $1 and endpoint = $2 limit 1',
      [tenantId, endpoint],
    );
    return rowCount === 1;
  }
}
