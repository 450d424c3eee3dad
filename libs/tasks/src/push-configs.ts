import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { AddressGuard, type Config, newWebhookSecret, type Secrets, type Signals } from '#platform';
import {
  A2AError,
  AuthenticationInfoSchema,
  type CallContext,
  type ListTaskPushNotificationConfigsResponse,
  ListTaskPushNotificationConfigsResponseSchema,
  type TaskPushNotificationConfig,
  TaskPushNotificationConfigSchema,
} from '#protocol';
import {
  type NewPushConfig,
  type PushConfigKey,
  type PushConfigRow,
  type PushSettings,
  type Store,
  type TaskKey,
  type TaskRow,
} from '#store';
import { PushArrivals } from './push-arrivals.js';
import { type CheckedPushConfig, checkPushConfig } from './push-config-check.js';
import { decodePushPageToken, encodePushPageToken } from './push-page-token.js';
import { openPushConfig, sealPushConfig } from './push-secrets.js';
import { taskNotFound } from './task-not-found.js';

type Queryable = Store['db'];

/** Where senders are told that a webhook is deleted, by its uid: what is under way to it ends at once. */
export const PUSH_ABORT_SIGNALS = 'push-aborts';

/** How long a secret still signs that a client has replaced, together with the webhook that it was made for. */
const REPLACED_SECRET_MS = 24 * 3_600_000;
const STOP_POLL_MS = 50;

/** A webhook to be stored, and its secret in the clear. */
export interface NewWebhook {
  readonly config: NewPushConfig;
  readonly secret: string;
}

/** The webhooks of tasks. Whoever may see a task may say who is told of its events. */
export class PushConfigs {
  /** What this process commits for them. */
  readonly arrivals = new PushArrivals();
  private readonly guard: AddressGuard;

  constructor(
    private readonly store: Store,
    private readonly signals: Signals,
    private readonly secrets: Secrets | undefined,
    private readonly config: Pick<
      Config,
      'maxPushConfigs' | 'maxPushUrlLength' | 'maxPushCredentialsLength' | 'pushAllow' | 'pushHttpsOnly'
    >,
  ) {
    this.guard = new AddressGuard(config);
  }

  /** @throws A2AError PUSH_NOTIFICATION_NOT_SUPPORTED without a secret key: what webhooks hold is not stored in the clear. */
  assertOn(): void {
    this.openSecrets();
  }

  /**
   * Checks what a client says of a webhook.
   * @param path of that within the request.
   * @throws A2AError INVALID_PARAMS, PUSH_NOTIFICATION_NOT_SUPPORTED.
   */
  check(given: TaskPushNotificationConfig, path: string, context: CallContext): CheckedPushConfig {
    this.assertOn();
    return checkPushConfig(given, path, context, { guard: this.guard, config: this.config });
  }

  /** The webhook that comes with the message which makes its task, and the secret that it is stored with. */
  ofNewTask({ taskId }: TaskKey, checked: CheckedPushConfig, owner: string): NewWebhook {
    const uid = randomUUID();
    const secret = newWebhookSecret();
    return { secret, config: { ...this.sealed(checked, uid, secret), uid, id: checked.id || taskId, owner } };
  }

  /**
   * Adds a webhook to a task whose row is locked, or gives the one of that id other settings, and answers with its secret,
   * which is new either way. Without an id it is `unnamed`.
   * @throws A2AError RESOURCE_EXHAUSTED where the task has as many as it may.
   */
  async put(
    tx: Queryable,
    { tenantId, id: taskId }: TaskRow,
    {
      checked,
      owner,
      unnamed,
    }: { readonly checked: CheckedPushConfig; readonly owner: string; readonly unnamed: string },
  ): Promise<{ readonly id: string; readonly secret: string }> {
    const key = { tenantId, taskId, id: checked.id || unnamed };
    const { pushConfigs, pushLanes, pushEndpoints } = this.store;
    const found = await pushConfigs.find(tx, key);
    if (!found) await this.assertRoom(tx, key);
    const uid = found?.uid ?? randomUUID();
    const secret = newWebhookSecret();
    const settings = this.sealed(checked, uid, secret);
    // Lanes are locked before their configs.
    await pushLanes.open(tx, { tenantId, taskId, configUid: uid, endpoint: settings.endpoint });
    if (found) await pushConfigs.replace(tx, key, settings, REPLACED_SECRET_MS);
    else await pushConfigs.add(tx, key, { ...settings, id: key.id, uid, owner });
    await pushEndpoints.rearm(tx, { tenantId, endpoint: settings.endpoint });
    return { id: key.id, secret };
  }

  /**
   * The same for a task that may be there; a webhook without an id gets a new one, but as before 1.0 the task's.
   * @throws A2AError TASK_NOT_FOUND, RESOURCE_EXHAUSTED.
   */
  async set(
    key: TaskKey,
    checked: CheckedPushConfig,
    { principal: owner }: Pick<CallContext, 'principal'>,
  ): Promise<{ readonly config: TaskPushNotificationConfig; readonly secret: string }> {
    const { database, tasks } = this.store;
    const unnamed = checked.dialect === null ? randomUUID() : key.taskId;
    const { id, secret } = await database.transaction(async (tx) => {
      const row = await tasks.lock(tx, key);
      if (!row) throw taskNotFound(key.taskId);
      return this.put(tx, row, { checked, owner, unnamed });
    });
    return { config: shown({ ...key, ...checked, id }), secret };
  }

  /** The secret of a webhook, for the call that made it and is repeated; undefined where it is gone. */
  async secretOf(key: PushConfigKey): Promise<string | undefined> {
    const row = await this.store.pushConfigs.find(this.store.db, key);
    return row && openPushConfig(row, this.openSecrets()).secrets[0];
  }

  /** @throws A2AError TASK_NOT_FOUND: what is not there has no reason of its own in A2A. */
  async get(key: PushConfigKey): Promise<TaskPushNotificationConfig> {
    const row = await this.store.pushConfigs.find(this.store.db, key);
    if (row) return shown(row);
    const message = `The task has no webhook with the id ${JSON.stringify(key.id)}`;
    throw new A2AError('TASK_NOT_FOUND', { message, metadata: { taskId: key.taskId, configId: key.id } });
  }

  /** @throws A2AError INVALID_PARAMS for a page token that is not of this list. */
  async list(
    key: TaskKey,
    { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
  ): Promise<ListTaskPushNotificationConfigsResponse> {
    const after = pageToken === '' ? undefined : decodePushPageToken(key, pageToken);
    const rows = await this.store.pushConfigs.page(this.store.db, key, pageSize + 1, after);
    const page = rows.slice(0, pageSize);
    const last = rows.length > pageSize ? page.at(-1) : undefined;
    return create(ListTaskPushNotificationConfigsResponseSchema, {
      configs: page.map(shown),
      nextPageToken: last ? encodePushPageToken({ ...key, id: last.id }) : '',
    });
  }

  /**
   * Drops a webhook, if it is there. When this resolves nothing is being sent to it, and nothing ever will: a sender that is at
   * it stops, or its lease runs out.
   */
  async drop(key: PushConfigKey, signal: AbortSignal): Promise<void> {
    const { database, tasks, pushConfigs, pushLanes } = this.store;
    const dropped = await database.transaction(async (tx) => {
      if (!(await tasks.lock(tx, key))) return undefined;
      const row = await pushConfigs.find(tx, key);
      if (!row) return undefined;
      await pushLanes.close(tx, { ...key, configUid: row.uid });
      await pushConfigs.drop(tx, row);
      return row.uid;
    });
    if (dropped !== undefined) this.signals.publish(PUSH_ABORT_SIGNALS, dropped);
    // Also where another call has dropped it a moment ago, which waits for the same.
    while (!signal.aborted && (await pushConfigs.isSendingToDropped(this.store.db, key))) await delay(STOP_POLL_MS);
  }

  private async assertRoom(tx: Queryable, key: TaskKey): Promise<void> {
    const { maxPushConfigs } = this.config;
    if ((await this.store.pushConfigs.count(tx, key)) < maxPushConfigs) return;
    const message = `The task has ${maxPushConfigs} webhooks; that is the limit`;
    throw new A2AError('RESOURCE_EXHAUSTED', { message, metadata: { taskId: key.taskId } });
  }

  private sealed(checked: CheckedPushConfig, uid: string, secret: string): PushSettings {
    return sealPushConfig(checked, uid, secret, this.openSecrets());
  }

  private openSecrets(): Secrets {
    if (!this.secrets) throw new A2AError('PUSH_NOTIFICATION_NOT_SUPPORTED');
    return this.secrets;
  }
}

/** A webhook as its clients may see it: what its receiver knows us by is never told. */
function shown({
  taskId,
  id,
  url,
  scheme,
}: Pick<PushConfigRow, 'taskId' | 'id' | 'url' | 'scheme'>): TaskPushNotificationConfig {
  const authentication = scheme === null ? undefined : create(AuthenticationInfoSchema, { scheme });
  return create(TaskPushNotificationConfigSchema, { taskId, id, url, authentication });
}
