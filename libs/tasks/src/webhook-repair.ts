import { type Logger, newWebhookSecret, type Secrets, webhookSecretPlace } from '#platform';
import { A2AError } from '#protocol';
import { type DeliveryFilter, type DeliveryKey, type LaneRow, type ResendRow, type Store } from '#store';
import { deliveryId, type DeliveryName } from './delivery-id.js';
import { type PushArrivals } from './push-arrivals.js';
import { type Page } from './task-operator.js';
import { WebhookNotFoundError } from './webhook-not-found-error.js';

type Queryable = Parameters<Store['tasks']['lock']>[0];

/** What became of the wish to have a delivery sent again; of a dry run, what would. */
export interface ResendReport {
  readonly delivery: string;
  readonly outcome: 'done' | 'possible' | 'refused';
  /** Why it is refused, for programs. */
  readonly code?: ResendRefusal;
  readonly text: string;
}

/** Why a delivery is not sent again. */
export type ResendRefusal = 'NOT_FOUND' | 'DISABLED' | 'SKIPPED' | 'TEST' | 'WAITS_ITS_TURN' | 'UNDER_WAY';

/** A secret that takes the place of another. */
export interface RotatedSecret {
  /** Shown here, and never again. */
  readonly secret: string;
  /** Until when deliveries are signed with the one before it as well. */
  readonly previousUntil?: Date;
}

/** What is to be done about one delivery, or why nothing is. */
type Decision =
  | { readonly act: 'resend' | 'hasten'; readonly text: string }
  | { readonly refusal: ResendRefusal; readonly text: string };

/** Webhooks of an endpoint that are enabled between two looks at how many there are. */
const BATCH = 100;

/**
 * What operators do to webhooks. What is sent again goes aside of the order of its lane (docs/adr/0035): it neither waits for
 * the event at the head, nor does that wait for it. All of it happens under the lane's lock, in which whoever sends claims and
 * settles too: so nothing is sent twice by a wish that comes while it is under way.
 */
export class WebhookRepair {
  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly arrivals: PushArrivals;
      /** Undefined: this server has no secret key, and sends no webhooks. */
      readonly secrets: Secrets | undefined;
      readonly logger: Logger;
    },
  ) {}

  /** Has deliveries sent again under their ids, or the next attempt made now, and reports on each. */
  async resend(deliveries: readonly DeliveryName[], dryRun = false): Promise<ResendReport[]> {
    const reports = new Map<string, ResendReport>();
    for (const [uid, sequences] of byWebhook(deliveries)) {
      for (const report of await this.resendOf(uid, sequences, dryRun)) reports.set(report.delivery, report);
    }
    return [...reports.values()];
  }

  /** The same for the next of all dead letters that fit, oldest events of a webhook first. */
  async recover(
    filter: Omit<DeliveryFilter, 'state' | 'resting'>,
    {
      limit,
      after,
      dryRun = false,
    }: { readonly limit: number; readonly after?: DeliveryKey; readonly dryRun?: boolean },
  ): Promise<Page<ResendReport, DeliveryKey>> {
    const dead = { ...filter, state: 'dead' as const, resting: true };
    const order = 'oldest' as const;
    const { rows, next } = await this.store.operatedDeliveries.page(this.store.db, dead, { limit, after, order });
    return { items: await this.resend(rows, dryRun), next };
  }

  /**
   * Sends the task as it is now to a webhook, marked as a test, once. Answers with the id under which the log has the outcome.
   * @throws WebhookNotFoundError; A2AError INVALID_PARAMS for one that is disabled.
   */
  async test(uid: string): Promise<string> {
    const sequence = await this.store.database.transaction(async (tx) => {
      const lane = await this.lane(tx, uid);
      if (lane.isDisabled) throw A2AError.invalidParams('webhook', 'is disabled: enable it first');
      const number = await this.store.pushRepairs.addTest(tx, lane);
      await this.store.pushLanes.hasten(tx, lane);
      return number;
    });
    this.done(uid, 'test');
    return deliveryId({ configUid: uid, sequence });
  }

  /**
   * Gives a webhook a new secret; deliveries are signed with the old one too for `keepMs` milliseconds.
   * @throws WebhookNotFoundError; A2AError PUSH_NOTIFICATION_NOT_SUPPORTED where there is no secret key.
   */
  async rotate(uid: string, keepMs: number): Promise<RotatedSecret> {
    const { secrets } = this.parts;
    if (!secrets) throw new A2AError('PUSH_NOTIFICATION_NOT_SUPPORTED');
    const secret = newWebhookSecret();
    const sealed = secrets.seal(secret, webhookSecretPlace(uid));
    const rotated = await this.store.database.transaction(async (tx) => {
      const lane = await this.lane(tx, uid);
      const until = await this.store.pushRepairs.rotateSecret(tx, lane, sealed, keepMs);
      // Whoever sends reads the webhook anew.
      await this.store.pushLanes.hasten(tx, lane);
      return until;
    });
    this.done(uid, 'rotate');
    return { secret, ...(rotated && { previousUntil: rotated }) };
  }

  /** Has a webhook, and the endpoint it leads to, tried again; says in words what that changes. @throws WebhookNotFoundError. */
  async enable(uid: string): Promise<string> {
    const wasDisabled = await this.store.database.transaction(async (tx) => {
      const lane = await this.enableLane(tx, uid);
      if (!lane) throw noSuchWebhook(uid);
      await this.store.pushEndpoints.enable(tx, lane.tenantId, lane.endpoint);
      return lane.isDisabled;
    });
    this.done(uid, 'enable');
    if (wasDisabled) return 'the webhook is enabled: what has waited goes out';
    return 'the webhook was not disabled; its next attempt is due now';
  }

  /**
   * The same for an endpoint of a tenant, with all its webhooks that are disabled.
   * @throws WebhookNotFoundError where no webhook leads to it.
   */
  async enableEndpoint(tenantId: string, endpoint: string): Promise<string> {
    const { db, pushRepairs, pushEndpoints } = this.store;
    if (!(await pushRepairs.hasEndpoint(db, tenantId, endpoint))) {
      throw new WebhookNotFoundError(`There is no webhook of the tenant ${tenantId} to ${endpoint}`);
    }
    await pushEndpoints.enable(db, tenantId, endpoint);
    let count = 0;
    for (;;) {
      const uids = await pushRepairs.disabledOf(db, tenantId, endpoint, BATCH);
      for (const uid of uids) await this.store.database.transaction((tx) => this.enableLane(tx, uid));
      count += uids.length;
      if (uids.length < BATCH) break;
    }
    this.parts.logger.info({ tenant: tenantId, endpoint, webhooks: count, action: 'enable' }, 'operator.acted');
    this.parts.arrivals.announce();
    return `the endpoint is tried again; ${count} of its webhooks were disabled, and are enabled`;
  }

  private async enableLane(tx: Queryable, uid: string): Promise<LaneRow | undefined> {
    const lane = await this.store.pushRepairs.lockLane(tx, uid);
    if (!lane) return undefined;
    await this.store.pushRepairs.enable(tx, lane);
    await this.store.pushRepairs.hastenHead(tx, lane);
    await this.store.pushLanes.hasten(tx, lane);
    return lane;
  }

  private async resendOf(uid: string, sequences: readonly number[], dryRun: boolean): Promise<ResendReport[]> {
    const decided = await this.store.database.transaction(async (tx) => {
      const lane = await this.store.pushRepairs.lockLane(tx, uid);
      const rows = lane ? await this.store.pushRepairs.forResend(tx, lane, sequences) : [];
      const decisions = sequences.map((sequence) => {
        const row = rows.find((candidate) => candidate.sequence === sequence);
        return { sequence, decision: lane && row ? decide(lane, row) : UNKNOWN };
      });
      if (lane && !dryRun) await this.apply(tx, lane, decisions);
      return decisions;
    });
    if (!dryRun && decided.some(({ decision }) => 'act' in decision)) this.done(uid, 'resend');
    return decided.map(({ sequence, decision }) => {
      const delivery = deliveryId({ configUid: uid, sequence });
      if ('refusal' in decision) return { delivery, outcome: 'refused', code: decision.refusal, text: decision.text };
      return { delivery, outcome: dryRun ? 'possible' : 'done', text: decision.text };
    });
  }

  private async apply(
    tx: Queryable,
    lane: LaneRow,
    decisions: readonly { readonly sequence: number; readonly decision: Decision }[],
  ): Promise<void> {
    const wanted = (act: 'resend' | 'hasten') =>
      decisions.filter(({ decision }) => 'act' in decision && decision.act === act).map(({ sequence }) => sequence);
    const [again, head] = [wanted('resend'), wanted('hasten')];
    if (again.length > 0) await this.store.pushRepairs.resend(tx, lane, again);
    if (head.length > 0) await this.store.pushRepairs.hastenHead(tx, lane);
    if (again.length + head.length > 0) await this.store.pushLanes.hasten(tx, lane);
  }

  private async lane(tx: Queryable, uid: string): Promise<LaneRow> {
    const lane = await this.store.pushRepairs.lockLane(tx, uid);
    if (!lane) throw noSuchWebhook(uid);
    return lane;
  }

  private done(webhook: string, action: string): void {
    this.parts.logger.info({ webhook, action }, 'operator.acted');
    this.parts.arrivals.announce();
  }
}

const UNKNOWN: Decision = { refusal: 'NOT_FOUND', text: 'there is no such delivery' };

function decide(lane: LaneRow, { sequence, state, isTimed, isDue, head }: ResendRow): Decision {
  if (sequence < 0) return { refusal: 'TEST', text: 'it is a test: send another one' };
  if (lane.isDisabled) return { refusal: 'DISABLED', text: 'its webhook is disabled: enable that first' };
  if (state === 'skipped') return { refusal: 'SKIPPED', text: 'the filter of its webhook leaves it out' };
  if (state === 'pending' && sequence !== head) {
    return { refusal: 'WAITS_ITS_TURN', text: `it goes out after event ${head} of its task, which waits too` };
  }
  const isPaused = isTimed && !isDue;
  if (state === 'pending') {
    if (lane.isHeld && !isPaused) return { refusal: 'UNDER_WAY', text: 'it is being sent' };
    return { act: 'hasten', text: 'its next attempt is due now' };
  }
  if (isTimed && isDue) return { refusal: 'UNDER_WAY', text: 'it is about to be sent again already' };
  return { act: 'resend', text: `it is ${state}, and is sent again under the same id` };
}

function byWebhook(deliveries: readonly DeliveryName[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const { configUid, sequence } of deliveries) {
    const sequences = groups.get(configUid) ?? [];
    groups.set(configUid, sequences);
    if (!sequences.includes(sequence)) sequences.push(sequence);
  }
  return groups;
}

function noSuchWebhook(uid: string): WebhookNotFoundError {
  return new WebhookNotFoundError(`There is no webhook ${uid}`);
}
