import { setTimeout as delay } from 'node:timers/promises';
import { type Config, type Logger, Loop } from '#platform';
import { type PushEndpointKey, type PushLease, type Queryable, type Store } from '#store';
import { laneLeaseMs } from './lane-pool.js';
import { dealLanes, type LaneLimits } from './lane-shares.js';

/** Where lanes go that are due. */
export interface LaneTaker {
  /** False while it would take none. */
  readonly isUp: boolean;
  take(leases: readonly PushLease[]): Promise<void>;
}

const POLL_MS = 500;
/** News gather for so long while the relay is busy. */
const GATHER_MS = 10;
/** Another relay is at it. */
const LOCKED_MS = 20;
/** Deliveries that are looked at in one go. */
const BATCH = 1_000;
/** Endpoints that are looked at in one go. */
const PAGE = 256;

/**
 * Looks for lanes that are due, wakes those that something new has come to, and hands them on: a few at a time, fairly among
 * tenants and endpoints. It looks when this process has committed something, when lanes get free, at the next due time, and on a
 * poll. One relay at a time does so, of all processes.
 */
export class LaneRelay {
  private readonly loop: Loop;
  private readonly limits: LaneLimits;
  private page: PushEndpointKey | undefined;
  private lookedAt = -Infinity;
  /** Lanes are due, and may not go out before others are done. */
  private isHeldUp = false;

  constructor(
    private readonly store: Store,
    private readonly taker: LaneTaker,
    private readonly config: Config,
    private readonly logger: Logger,
  ) {
    this.loop = new Loop('push.relay', POLL_MS, logger, () => this.relay());
    this.limits = {
      endpoint: config.pushEndpointConcurrency,
      tenant: config.pushTenantConcurrency,
      breaker: config.pushBreaker,
    };
  }

  start(onStop: () => void): void {
    this.loop.start(onStop);
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** There is something new. */
  wake(): void {
    this.loop.wake();
  }

  /** A lane was given back, and is due again in so many milliseconds. */
  freed(dueMs: number): void {
    if (dueMs <= 0 || this.isHeldUp) this.loop.wake();
    else if (dueMs < POLL_MS) setTimeout(() => this.loop.wake(), dueMs).unref();
  }

  /** Answers with the milliseconds to the next look. */
  private async relay(): Promise<number> {
    await delay(Math.max(0, this.lookedAt + GATHER_MS - performance.now()), undefined, { ref: false });
    this.lookedAt = performance.now();
    const { leases, nextMs } = await this.store.database.transaction((tx) => this.look(tx));
    if (leases.length > 0) await this.handOn(leases);
    return nextMs;
  }

  private async look(tx: Queryable): Promise<{ leases: PushLease[]; nextMs: number }> {
    const { pushLanes } = this.store;
    if (!(await pushLanes.lockRelay(tx))) return { leases: [], nextMs: LOCKED_MS };
    const woken = await pushLanes.wake(tx, BATCH, this.config.pushRetryMs[0]!);
    const { endpoints, last } = await pushLanes.endpointsAfter(tx, this.page, PAGE);
    const isHeldUpBefore = this.page !== undefined && this.isHeldUp;
    this.page = last;
    const due = endpoints.filter(({ dueMs }) => dueMs <= 0);
    const leases = due.length > 0 && this.taker.isUp ? await this.handOver(tx, due) : [];
    this.isHeldUp = isHeldUpBefore || (due.length > 0 && leases.length === 0);
    const hasMore = woken > 0 || last !== undefined || leases.length > 0;
    const later = endpoints.filter(({ dueMs }) => dueMs > 0).map(({ dueMs }) => dueMs);
    return { leases, nextMs: hasMore ? 0 : Math.ceil(Math.min(POLL_MS, ...later)) };
  }

  private async handOver(tx: Queryable, due: Parameters<typeof dealLanes>[0]): Promise<PushLease[]> {
    const { pushLanes } = this.store;
    const underWay = await pushLanes.underWay(tx);
    const room = this.config.pushConcurrency - underWay.reduce((sum, { handed }) => sum + handed, 0);
    const shares = dealLanes(due, underWay, room, this.limits);
    return shares.length > 0 ? pushLanes.handOver(tx, shares, laneLeaseMs(this.config)) : [];
  }

  /** What the queue refuses waits no longer for it. */
  private async handOn(leases: readonly PushLease[]): Promise<void> {
    try {
      await this.taker.take(leases);
    } catch (error) {
      this.logger.warn({ err: error }, 'push.queue_failed');
      await this.store.pushLanes.takeBack(this.store.db, leases);
      await delay(POLL_MS, undefined, { ref: false });
    }
  }
}
