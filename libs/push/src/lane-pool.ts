import { type Config, type Logger, type Secrets, type Signals } from '#platform';
import { type LaneStep, type PushEndpointKey, type PushLaneKey, type PushLease, type Store } from '#store';
import { PUSH_ABORT_SIGNALS } from '#tasks';
import { type Attempts } from './attempts.js';
import { Batch } from './batch.js';
import { type DeliveryResults } from './delivery-results.js';
import { LaneRun, type LaneRunParts, LEASE_MARGIN_MS, PAGE } from './lane-run.js';
import { SendSlots } from './send-slots.js';

/** Lanes that one statement is about. */
const BATCH = 256;
/** Bytes of the events that are read at a time for one lane, beyond the first. */
const PAGE_BYTES = 256 * 1024;

/** How long a lane may be with one worker, or on its way to one, before others may have it. */
export function laneLeaseMs({ pushTimeoutMs }: Pick<Config, 'pushTimeoutMs'>): number {
  return pushTimeoutMs + LEASE_MARGIN_MS;
}

/** The lanes that this process sends from. */
export class LanePool {
  private readonly slots: SendSlots;
  private readonly runs = new Map<string, LaneRun>();
  private readonly running = new Set<Promise<void>>();
  private readonly runParts: LaneRunParts;
  private readonly claims: Batch<PushLease, boolean>;
  private unsubscribe: (() => void) | undefined;

  /** `onFree` is called when a lane was given back, with how soon it is due again. */
  constructor(
    private readonly parts: {
      readonly store: Store;
      readonly signals: Signals;
      readonly attempts: Attempts;
      readonly results: DeliveryResults;
      readonly secrets: Secrets;
      readonly config: Config;
      readonly logger: Logger;
    },
    private readonly onFree: (dueMs: number) => void,
  ) {
    const { store, config, attempts, results, secrets, logger } = parts;
    const { pushDeliveries, db } = store;
    const leaseMs = laneLeaseMs(config);
    this.slots = new SendSlots(config.pushConcurrency);
    this.claims = new Batch(BATCH, async (leases: readonly PushLease[]) => {
      const claimed = new Set((await pushDeliveries.claim(db, leases, leaseMs)).map(keyOf));
      return leases.map((lease) => claimed.has(keyOf(lease)));
    });
    const page = { limit: PAGE, maxBytes: PAGE_BYTES };
    const work = new Batch(BATCH, (lanes: readonly PushLaneKey[]) => pushDeliveries.work(db, lanes, page));
    const settle = new Batch(BATCH, (steps: readonly LaneStep[]) => pushDeliveries.settle(db, steps, leaseMs));
    this.runParts = {
      work: (lane) => work.call(lane),
      settle: (step) => settle.call(step),
      admit: (endpoint) => this.admit(endpoint),
      isShort: () => this.slots.isShort,
      ...{ attempts, results, secrets, logger },
    };
  }

  start(): void {
    this.unsubscribe = this.parts.signals.subscribe(PUSH_ABORT_SIGNALS, (uids) => {
      if (uids !== 'all') for (const uid of uids) this.runs.get(uid)?.stop();
    });
  }

  /** Claims lanes that were handed over, and sends what waits in them. Resolves when all are begun, each as a slot gets free. */
  async take(leases: readonly PushLease[]): Promise<void> {
    for (let from = 0; from < leases.length;) {
      const slots = await this.slots.take(leases.length - from);
      if (slots === 0) return this.takeBack(leases.slice(from));
      await Promise.all(leases.slice(from, from + slots).map((lease) => this.begin(lease)));
      from += slots;
    }
  }

  /** Begins nothing more, and gives all lanes back: those with an attempt under way when it ends, or after `drainMs` at the latest. */
  async drain(drainMs: number): Promise<void> {
    this.slots.close();
    for (const run of this.runs.values()) run.leave();
    const timer = setTimeout(() => {
      for (const run of this.runs.values()) run.stop();
    }, drainMs);
    while (this.running.size > 0) await Promise.all(this.running);
    clearTimeout(timer);
    this.unsubscribe?.();
  }

  private async begin(lease: PushLease): Promise<void> {
    const askedAt = performance.now();
    let isClaimed = false;
    try {
      isClaimed = await this.claims.call(lease);
    } finally {
      if (!isClaimed) this.slots.give(1);
    }
    if (!isClaimed) return;
    const run = new LaneRun(lease, askedAt, this.runParts);
    this.runs.set(lease.configUid, run);
    if (this.slots.isClosed) run.leave();
    const running = run.run().finally(() => {
      this.running.delete(running);
      if (this.runs.get(lease.configUid) === run) this.runs.delete(lease.configUid);
      this.slots.give(1);
      this.onFree(run.dueMs);
    });
    this.running.add(running);
  }

  private admit(endpoint: PushEndpointKey): number | Promise<number> {
    const { store, config } = this.parts;
    if (config.pushRate === 0) return 0;
    const rate = { intervalMs: 1_000 / config.pushRate, burst: config.pushRate };
    return store.pushEndpoints.admit(store.db, endpoint, rate);
  }

  private async takeBack(leases: readonly PushLease[]): Promise<void> {
    await this.parts.store.pushLanes.takeBack(this.parts.store.db, leases);
  }
}

function keyOf({ configUid, token }: PushLease): string {
  return `${configUid}/${token}`;
}
