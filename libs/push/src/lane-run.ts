import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Logger, SecretError, type Secrets } from '#platform';
import { passesFilter, StreamResponseSchema } from '#protocol';
import {
  DeliveryCode,
  type LaneCourse,
  type LaneStep,
  type PushDelivery,
  type PushEndpointKey,
  type PushLaneKey,
  type PushLease,
  type PushResult,
  type PushWork,
  type StepOutcome,
} from '#store';
import { type OpenedPushConfig, openPushConfig } from '#tasks';
import { type Attempts } from './attempts.js';
import { type DeliveryResults } from './delivery-results.js';

/** What a lane is served with. */
export interface LaneRunParts {
  /** What waits in it, up to `PAGE` deliveries; undefined where its config is gone. */
  readonly work: (lane: PushLaneKey) => Promise<PushWork | undefined>;
  readonly settle: (step: LaneStep) => Promise<StepOutcome>;
  /** Takes a place in the endpoint's rate, or answers with the milliseconds to wait for one. */
  readonly admit: (endpoint: PushEndpointKey) => number | Promise<number>;
  /** Whether others wait for a slot. */
  readonly isShort: () => boolean;
  readonly attempts: Attempts;
  readonly results: DeliveryResults;
  readonly secrets: Secrets;
  readonly logger: Logger;
}

/** Deliveries that are read at a time. */
export const PAGE = 16;
/** How much longer than an attempt a lease lasts; within the first part of that, the attempt may begin. */
export const LEASE_MARGIN_MS = 5_000;
const FRESH_MS = 3_000;
/** Where others wait, a lane makes room after so long; in any case after so many attempts. */
const LONG_MS = 5_000;
const MANY = 100;
/** What nobody can decrypt waits for a process with another key. */
const UNREADABLE_MS = 60_000;

/**
 * Sends what waits in one lane that this process holds, one after the other. Each attempt begins under a lease that outlasts
 * it, and is written down before the next one begins: so nothing is sent any more once the lane is given back.
 */
export class LaneRun {
  /** How soon it is due again, in milliseconds; Infinity where nothing waits in it. */
  dueMs = Infinity;
  private readonly stopping = new AbortController();
  private readonly begunAt = performance.now();
  private attempts = 0;
  private isLeaving = false;

  /** `renewedAt`: when the lease was asked for. */
  constructor(
    private readonly lease: PushLease,
    private renewedAt: number,
    private readonly parts: LaneRunParts,
  ) {}

  /** Resolves when this process sends nothing more. A lane that cannot be given back is due when its lease has run out. */
  async run(): Promise<void> {
    try {
      while (await this.readAndSend());
    } catch (error) {
      this.tell('push.lane_failed', error);
    }
  }

  /** Gives the lane back after the attempt under way. */
  leave(): void {
    this.isLeaving = true;
  }

  /** Ends the attempt under way, and gives the lane back. */
  stop(): void {
    this.isLeaving = true;
    this.stopping.abort();
  }

  /** Aborted where the attempt is to end. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Whether an attempt that begins now ends before the lease does. */
  get isFresh(): boolean {
    return performance.now() - this.renewedAt < FRESH_MS;
  }

  /** True where the lane is held on to. */
  private async readAndSend(): Promise<boolean> {
    const work = await this.parts.work(this.lease);
    const terms = work && this.termsOf(work);
    const outcome = terms ? await this.sendAll(work, terms) : await this.step([], 'leave', work && UNREADABLE_MS);
    return outcome === 'held' || outcome === 'reread';
  }

  /** What is sent again takes turns with what goes out in order. */
  private async sendAll(work: PushWork, terms: OpenedPushConfig): Promise<StepOutcome> {
    const { configVersion } = work;
    const skipped: PushResult[] = [];
    for (const delivery of work.resend ? [work.resend, ...work.heads.slice(0, 1)] : work.heads) {
      const isHead = delivery !== work.resend;
      if (isHead && isFiltered(delivery, terms)) {
        skipped.push({ sequence: delivery.sequence, state: DeliveryCode.skipped, failures: delivery.failures });
        continue;
      }
      const pauseMs = await this.pauseBefore(work);
      if (pauseMs !== undefined) return this.step(skipped, 'leave', pauseMs);
      const renewed = this.isFresh ? 'held' : await this.step(skipped.splice(0), 'renew', undefined, configVersion);
      if (renewed !== 'held') return renewed;
      const result = await this.attempt(work, terms, delivery);
      if (!result) return this.step(skipped, 'leave', 0);
      const results = [...skipped.splice(0), result];
      if (isHead && result.retryMs !== undefined) return this.turn(work, results, result.retryMs);
      if (delivery === work.heads.at(-1)) return this.turn(work, results);
      const kept = await this.step(results, 'keep', undefined, configVersion);
      if (kept !== 'held') return kept;
    }
    return this.turn(work, skipped);
  }

  /** Undefined where this process cannot decrypt it. */
  private termsOf({ config }: PushWork): OpenedPushConfig | undefined {
    try {
      return openPushConfig(config, this.parts.secrets);
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      this.tell('push.secrets_unreadable', error);
      return undefined;
    }
  }

  /** Undefined where the attempt was ended from here, or may not begin any more. */
  private async attempt(
    work: PushWork,
    terms: OpenedPushConfig,
    delivery: PushDelivery,
  ): Promise<PushResult | undefined> {
    this.attempts++;
    const outcome = await this.parts.attempts.make(this.lease, terms, delivery, this);
    return outcome?.isAborted ? undefined : this.parts.results.of(work, delivery, outcome);
  }

  /** Milliseconds after which the lane goes on, where it is not to go on now. */
  private async pauseBefore({ config }: PushWork): Promise<number | undefined> {
    const isLong = performance.now() - this.begunAt > LONG_MS && this.parts.isShort();
    if (this.isLeaving || isLong || this.attempts >= MANY) return 0;
    const waitMs = await this.parts.admit(config);
    return waitMs > 0 ? waitMs : undefined;
  }

  /** After all that was read: reads again where there may be more, else gives the lane back until there is. */
  private turn(work: PushWork, results: readonly PushResult[], retryMs?: number): Promise<StepOutcome> {
    const { hasMore, headMs, resend, resendMs } = work;
    const isWaiting = headMs !== undefined || retryMs !== undefined;
    const times = [headMs, resendMs, retryMs].filter((ms) => ms !== undefined);
    const course = resend !== undefined || (hasMore && !isWaiting) ? 'reread' : 'rest';
    return this.step(results, course, times.length > 0 ? Math.min(...times) : undefined);
  }

  private async step(
    results: readonly PushResult[],
    course: LaneCourse,
    dueMs?: number,
    configVersion?: string,
  ): Promise<StepOutcome> {
    const at = performance.now();
    const outcome = await this.parts.settle({ lease: this.lease, results, course, dueMs, configVersion });
    if (outcome === 'reread' || (outcome === 'held' && course !== 'keep')) this.renewedAt = at;
    if (outcome === 'released') this.dueMs = dueMs ?? Infinity;
    return outcome;
  }

  private tell(event: string, error: unknown): void {
    const { tenantId, taskId, configUid } = this.lease;
    this.parts.logger.warn({ err: error, tenant: tenantId, taskId, configUid }, event);
  }
}

function isFiltered({ event }: PushDelivery, { filter }: OpenedPushConfig): boolean {
  if (!filter || event === null) return false;
  return !passesFilter(filter, fromJson(StreamResponseSchema, JSON.parse(event) as JsonValue));
}
