import {
  type AttemptRow,
  type DeliveryFilter,
  type DeliveryKey,
  type DeliveryRow,
  type DeliveryState,
  type EndpointRow,
  type Store,
  type WebhookFilter,
  type WebhookPosition,
  type WebhookRow,
} from '#store';
import { deliveryId, type DeliveryName } from './delivery-id.js';
import { type Page } from './task-operator.js';
import { WebhookNotFoundError } from './webhook-not-found-error.js';
import { type WebhookRepair } from './webhook-repair.js';

/** For those who ask: which webhooks and deliveries they mean. */
export {
  type DeliveryFilter,
  type DeliveryKey,
  DELIVERY_STATES,
  type WebhookFilter,
  type WebhookPosition,
} from '#store';

/** `failing`: its last attempts have failed; `paused`: so many of them that it is only probed; `disabled`: nothing is sent. */
export type WebhookHealth = 'ok' | 'failing' | 'paused' | 'disabled';

/** What is known of an endpoint's failures. */
export interface OperatedHealth {
  readonly health: WebhookHealth;
  /** Attempts that have failed since the last success. */
  readonly failures: number;
  readonly failingSince?: Date;
  /** Until then nothing is sent to it. */
  readonly pausedUntil?: Date;
  readonly disabledAt?: Date;
  readonly disabledReason?: string;
}

/** A webhook as its operator sees it; nothing that a receiver could be deceived with. */
export interface OperatedWebhook extends OperatedHealth {
  /** Our own name for it. */
  readonly webhook: string;
  readonly tenant: string;
  readonly task: string;
  /** Its client's name for it. */
  readonly id: string;
  readonly owner: string;
  /** Without what stands behind a question mark: that may be a secret. */
  readonly url: string;
  readonly endpoint: string;
  /** The scheme that its client has given credentials for. */
  readonly authentication?: string;
  readonly hasToken: boolean;
  readonly filter?: unknown;
  readonly dialect?: string;
  readonly createdAt: Date;
  readonly previousSecretUntil?: Date;
  readonly queue: WebhookQueue;
}

/** Deliveries of a webhook that are not done with. */
export interface WebhookQueue {
  readonly pending: number;
  readonly resending: number;
  readonly dead: number;
  /** Since when the oldest one has waited. */
  readonly oldestAt?: Date;
  /** When the next attempt is due, and how often the event at the head has failed. */
  readonly dueAt?: Date;
  readonly failures?: number;
}

/** An endpoint with something to send, or with failures. */
export interface OperatedEndpoint extends OperatedHealth {
  readonly tenant: string;
  readonly endpoint: string;
  /** Webhooks with something to send, and those that are disabled by themselves. */
  readonly waiting: number;
  readonly disabled: number;
  /** Deliveries that wait; 10,000 stands for as many or more. */
  readonly pending: number;
  readonly oldestAt?: Date;
}

/** One attempt. */
export interface OperatedAttempt {
  readonly at: Date;
  readonly latencyMs: number;
  /** The HTTP status, else why there is none. */
  readonly status?: number;
  readonly error?: string;
}

/** One delivery with its last attempt. */
export interface OperatedDelivery {
  /** The id that its receiver gets. */
  readonly delivery: string;
  readonly webhook: string;
  readonly tenant: string;
  readonly task: string;
  /** Of the event; absent for a test. */
  readonly sequence?: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly settledAt?: Date;
  /** When it is tried next, or sent again. */
  readonly nextAt?: Date;
  readonly last?: OperatedAttempt;
}

/** A delivery with the log of its attempts, the newest first. */
export interface OperatedDeliveryLog extends OperatedDelivery {
  readonly log: readonly (OperatedAttempt & { readonly attempt: number; readonly response?: string })[];
}

/** Attempts that are shown of one delivery. */
const SHOWN_ATTEMPTS = 100;

/** What operators see of webhooks and of what is sent to them, across tenants and agents. */
export class WebhookOperator {
  constructor(
    private readonly store: Store,
    /** What they do to them. */
    readonly repair: WebhookRepair,
  ) {}

  /** Webhooks that fit, by tenant and task. A page may be short, or empty, and the list go on nevertheless. */
  async list(
    filter: WebhookFilter,
    limit: number,
    after?: WebhookPosition,
  ): Promise<Page<OperatedWebhook, WebhookPosition>> {
    const { rows, next } = await this.store.operatedWebhooks.page(this.store.db, filter, limit, after);
    return { items: rows.map(operatedWebhook), next };
  }

  /** @throws WebhookNotFoundError. */
  async show(uid: string): Promise<OperatedWebhook> {
    const row = await this.store.operatedWebhooks.find(this.store.db, uid);
    if (!row) throw new WebhookNotFoundError(`There is no webhook ${uid}`);
    return operatedWebhook(row);
  }

  /** Endpoints that have something to send or that fail, by tenant and name. */
  async endpoints(
    tenantId: string | undefined,
    limit: number,
    after?: { readonly tenantId: string; readonly endpoint: string },
  ): Promise<Page<OperatedEndpoint, { tenantId: string; endpoint: string }>> {
    const { rows, next } = await this.store.operatedWebhooks.endpoints(this.store.db, tenantId, limit, after);
    return { items: rows.map(operatedEndpoint), next };
  }

  /** Deliveries that fit, those of the newest tasks and events first. A page may be short, as above. */
  async deliveries(
    filter: DeliveryFilter,
    limit: number,
    after?: DeliveryKey,
  ): Promise<Page<OperatedDelivery, DeliveryKey>> {
    const { rows, next } = await this.store.operatedDeliveries.page(this.store.db, filter, { limit, after });
    return { items: rows.map(operatedDelivery), next };
  }

  /** One delivery with its log. @throws WebhookNotFoundError. */
  async delivery({ configUid, sequence }: DeliveryName): Promise<OperatedDeliveryLog> {
    const row = await this.store.operatedDeliveries.find(this.store.db, configUid, sequence);
    if (!row) throw new WebhookNotFoundError(`There is no delivery ${deliveryId({ configUid, sequence })}`);
    const attempts = await this.store.operatedDeliveries.attempts(this.store.db, row, SHOWN_ATTEMPTS);
    return { ...operatedDelivery(row), log: attempts.map(operatedAttempt) };
  }
}

function operatedWebhook(row: WebhookRow): OperatedWebhook {
  const { uid, tenantId, taskId, id, owner, url, endpoint, scheme, filter, dialect, previousUntil } = row;
  return {
    ...{ webhook: uid, tenant: tenantId, task: taskId, id, owner, url: shownUrl(url), endpoint },
    ...(scheme !== null && { authentication: scheme }),
    hasToken: row.hasToken,
    ...(filter !== null && { filter: JSON.parse(filter) as unknown }),
    ...(dialect !== null && { dialect }),
    createdAt: row.createdAt,
    ...(previousUntil !== null && { previousSecretUntil: previousUntil }),
    ...healthOf(row, row.disabledAt, row.disabledReason),
    queue: {
      ...{ pending: row.pending, resending: row.resending, dead: row.dead },
      ...(row.oldestAt !== null && { oldestAt: row.oldestAt }),
      ...(row.dueAt !== null && { dueAt: row.dueAt }),
      ...(row.headFailures !== null && { failures: row.headFailures }),
    },
  };
}

function operatedEndpoint(row: EndpointRow): OperatedEndpoint {
  return {
    ...{ tenant: row.tenantId, endpoint: row.endpoint, ...healthOf(row) },
    ...{ waiting: row.waiting, disabled: row.disabled, pending: row.pending },
    ...(row.oldestAt !== null && { oldestAt: row.oldestAt }),
  };
}

function operatedDelivery(row: DeliveryRow): OperatedDelivery {
  const { configUid, sequence, settledAt, nextAt, at, latencyMs } = row;
  return {
    ...{ delivery: deliveryId({ configUid, sequence }), webhook: configUid, tenant: row.tenantId, task: row.taskId },
    ...(sequence > 0 && { sequence }),
    ...{ state: row.state, attempts: row.attempts, createdAt: row.createdAt },
    ...(settledAt !== null && { settledAt }),
    ...(nextAt !== null && { nextAt }),
    ...(at !== null && latencyMs !== null && { last: outcome({ ...row, at, latencyMs }) }),
  };
}

function operatedAttempt(row: AttemptRow) {
  return { attempt: row.attempt, ...outcome(row), ...(row.response !== null && { response: row.response }) };
}

function outcome({ at, latencyMs, status, error }: Omit<AttemptRow, 'attempt' | 'response'>): OperatedAttempt {
  return { at, latencyMs, ...(status !== null && { status }), ...(error !== null && { error }) };
}

function healthOf(
  row: Pick<WebhookRow, 'failures' | 'failingSince' | 'openUntil' | 'endpointDisabledAt'>,
  ownDisabledAt: Date | null = null,
  ownReason: string | null = null,
): OperatedHealth {
  const { failures, failingSince, openUntil, endpointDisabledAt } = row;
  const disabledAt = ownDisabledAt ?? endpointDisabledAt;
  const reason = ownDisabledAt === null ? 'the endpoint has failed for too long' : ownReason;
  return {
    health: disabledAt ? 'disabled' : openUntil ? 'paused' : failures > 0 ? 'failing' : 'ok',
    failures,
    ...(failingSince !== null && { failingSince }),
    ...(openUntil !== null && { pausedUntil: openUntil }),
    ...(disabledAt !== null && { disabledAt }),
    ...(disabledAt !== null && reason !== null && { disabledReason: reason }),
  };
}

function shownUrl(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : `${url.slice(0, end)}?…`;
}
