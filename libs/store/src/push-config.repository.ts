import { type OlderDialect } from '#protocol';
import { type Queryable } from './database.js';
import { type TaskKey } from './task.row.js';

/** Names a webhook as its client does: ids are unique within their task. */
export interface PushConfigKey extends TaskKey {
  readonly id: string;
}

/** What a client says of a webhook. Token, credentials and secret are sealed. */
export interface PushSettings {
  readonly url: string;
  /** The URL's origin. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly scheme: string | null;
  readonly credentials: string | null;
  readonly secret: string;
  /** JSON; null where all events go out. */
  readonly filter: string | null;
  /** The older dialect of A2A in which the receiver is told; null: as A2A 1.0 has it. */
  readonly dialect: OlderDialect | null;
  /** What the client calls the task in that dialect, where that is a name of its own. */
  readonly clientTaskId: string | null;
}

/** A webhook to be stored. */
export interface NewPushConfig extends PushSettings {
  readonly id: string;
  /** Our own name for it: a UUID. */
  readonly uid: string;
  readonly owner: string;
}

/** A webhook as it is stored. */
export interface PushConfigRow extends PushConfigKey, NewPushConfig {
  /** Null where there is none, or its time is over. */
  readonly previousSecret: string | null;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
  readonly disabledReason: string | null;
}

/** Select list in the shape of `PushConfigRow`; `c` is the table's alias. */
export const PUSH_CONFIG_COLUMNS = `
  c.tenant_id as "tenantId", c.task_id as "taskId", c.id, c.uid, c.owner, c.url, c.endpoint, c.token, c.scheme,
  c.credentials, c.secret, case when c.previous_until > now() then c.previous_secret end as "previousSecret",
  c.filter, c.dialect, c.client_task_id as "clientTaskId", c.created_at as "createdAt",
  c.disabled_at as "disabledAt", c.disabled_reason as "disabledReason"`;

/** SQL of `push_configs`. Whoever adds or drops one holds the lock of its task's row: `tasks.push` names the configs. */
export class PushConfigRepository {
  async find(db: Queryable, { tenantId, taskId, id }: PushConfigKey): Promise<PushConfigRow | undefined> {
    const { rows } = await db.query<PushConfigRow>(
      `select ${PUSH_CONFIG_COLUMNS} from perdure.push_configs c
       where c.tenant_id = $1 and c.task_id = $2 and c.id = $3`,
      [tenantId, taskId, id],
    );
    return rows[0];
  }

  /** Up to `limit` configs of a task by id, those after `after`. */
  async page(db: Queryable, { tenantId, taskId }: TaskKey, limit: number, after = ''): Promise<PushConfigRow[]> {
    const { rows } = await db.query<PushConfigRow>(
      `select ${PUSH_CONFIG_COLUMNS} from perdure.push_configs c
       where c.tenant_id = $1 and c.task_id = $2 and c.id > $3 order by c.id limit $4`,
      [tenantId, taskId, after, limit],
    );
    return rows;
  }

  async count(db: Queryable, { tenantId, taskId }: TaskKey): Promise<number> {
    const { rows } = await db.query<{ count: number }>(
      'select count(*)::int4 as count from perdure.push_configs where tenant_id = $1 and task_id = $2',
      [tenantId, taskId],
    );
    return rows[0]!.count;
  }

  /** Adds a config to a task whose row is locked: events that are committed from now on go to it. */
  async add(tx: Queryable, { tenantId, taskId }: TaskKey, config: NewPushConfig): Promise<void> {
    await tx.query(
      `with c as (
         insert into perdure.push_configs (tenant_id, task_id, id, uid, owner, url, endpoint, token, scheme, credentials,
           secret, filter, dialect, client_task_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14))
       update perdure.tasks set push = array_append(push, $4::uuid) where tenant_id = $1 and id = $2`,
      [tenantId, taskId, config.id, config.uid, config.owner, ...settingsValues(config)],
    );
  }

  /**
   * Gives a config other settings, and enables it. As long as it stays at its endpoint the secret it had signs as well, for
   * another `keepMs`.
   */
  async replace(
    tx: Queryable,
    { tenantId, taskId, id }: PushConfigKey,
    settings: PushSettings,
    keepMs: number,
  ): Promise<void> {
    await tx.query(
      `update perdure.push_configs set
         previous_secret = case when endpoint = $5 then secret end,
         previous_until = case when endpoint = $5 then now() + $13::float8 * interval '1 ms' end,
         url = $4, endpoint = $5, token = $6, scheme = $7, credentials = $8, secret = $9, filter = $10, dialect = $11,
         client_task_id = $12, disabled_at = null, disabled_reason = null
       where tenant_id = $1 and task_id = $2 and id = $3`,
      [tenantId, taskId, id, ...settingsValues(settings), keepMs],
    );
  }

  /** Drops a config of a task whose row is locked, after its lane is closed, with all that waits to be delivered to it. */
  async drop(tx: Queryable, { tenantId, taskId, id, uid }: PushConfigRow): Promise<void> {
    await tx.query(
      `with c as (delete from perdure.push_configs where tenant_id = $1 and task_id = $2 and id = $3),
       d as (
         delete from perdure.push_deliveries
         where tenant_id = $1 and task_id = $2 and config_uid = $4::uuid and (state < 2 or next_at is not null))
       update perdure.tasks set push = nullif(array_remove(push, $4::uuid), '{}') where tenant_id = $1 and id = $2`,
      [tenantId, taskId, id, uid],
    );
  }

  /** Whether somebody may be sending, right now, to a config of the task that is dropped. */
  async isSendingToDropped(db: Queryable, { tenantId, taskId }: TaskKey): Promise<boolean> {
    const { rows } = await db.query(
      `select 1 from perdure.push_lanes
       where tenant_id = $1 and task_id = $2 and is_closed and due_at > clock_timestamp() limit 1`,
      [tenantId, taskId],
    );
    return rows.length > 0;
  }
}

function settingsValues(settings: PushSettings): unknown[] {
  const { url, endpoint, token, scheme, credentials, secret, filter, dialect, clientTaskId } = settings;
  return [url, endpoint, token, scheme, credentials, secret, filter, dialect, clientTaskId];
}
