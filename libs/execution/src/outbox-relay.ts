import { type AgentRegistry } from '#agents';
import { type Logger, Loop, type Signals } from '#platform';
import { type Store } from '#store';
import { OUTBOX_SIGNALS } from '#tasks';
import { DueLanes } from './due-lanes.js';
import { JobClaims } from './job-claims.js';
import { type RunQueue } from './run-queue.js';
import { type WorkerPool } from './worker-pool.js';

const BATCH = 100;
const POLL_MS = 500;
/** Slots that come back one by one gather for so long, to be filled together: a few at once cost little more than one. */
const GATHER_MS = 5;
const GATHERED = 25;
/** What was seen of the outbox serves for so long, where no signal tells of more; without a slot it does in any case. */
const LOOK_MS = 50;
/** A process without slots leaves a job to the others, which look at the outbox too, for so long before the queue gets it. */
const PATIENCE_MS = 500;
/** A job that has not got into the queue within so long is another relay's to publish; longer than a queue may take to refuse it. */
const LENT_MS = 2_500;
/** The queue gives out its jobs in the order of their coming, so there are only a few in it. */
const QUEUE_WINDOW = 100;

/**
 * Takes due jobs out of the outbox, fairly: each free slot goes to the tenant whose turn it is, and to that tenant's job of
 * the highest priority that has been due for longest (docs/adr/0023, docs/adr/0028). It looks on a signal, at the next
 * due time, when slots get free, and on a poll in case a signal was lost. A process that runs nothing gives a few jobs to
 * the queue.
 */
export class OutboxRelay {
  private readonly loop: Loop;
  private readonly lanes: DueLanes;
  private lookedAt = -Infinity;
  private nextDueAt = Infinity;
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private publishedAt = -Infinity;

  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly queue: RunQueue;
      readonly pool: WorkerPool;
      readonly agents: AgentRegistry;
      readonly logger: Logger;
    },
    private readonly signals: Signals,
  ) {
    this.loop = new Loop('relay', POLL_MS, parts.logger, () => this.relayAll());
    const { slots } = parts.pool;
    this.lanes = new DueLanes(store, parts.agents, slots, () => this.wakeWithin(this.isGathered ? 0 : GATHER_MS));
    slots.attach(this.lanes);
  }

  start(): void {
    const onSignal = () => {
      this.lookedAt = -Infinity;
      this.wakeWithin(this.parts.pool.free > 0 ? 0 : LOOK_MS);
    };
    this.loop.start(this.signals.subscribe(OUTBOX_SIGNALS, onSignal));
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    clearTimeout(this.timer);
  }

  private get isGathered(): boolean {
    const { free, slots } = this.parts.pool;
    return free >= Math.min(GATHERED, slots.limit / 4);
  }

  private wakeWithin(ms: number): void {
    if (ms === 0) return this.loop.wake();
    const at = performance.now() + ms;
    if (at >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    this.timer = setTimeout(() => this.loop.wake(), ms);
  }

  private async relayAll(): Promise<number> {
    clearTimeout(this.timer);
    this.timerAt = Infinity;
    try {
      do await this.look();
      while (await this.relayBatch());
      await this.publish();
      return Math.max(0, this.nextDueAt - performance.now());
    } catch (error) {
      // What cannot be fetched holds nobody up.
      this.lanes.clear();
      this.lookedAt = -Infinity;
      throw error;
    }
  }

  private async look(): Promise<void> {
    const now = performance.now();
    if (now - this.lookedAt < LOOK_MS && now < this.nextDueAt) return;
    this.lookedAt = now;
    this.nextDueAt = now + ((await this.lanes.look()) ?? Infinity);
  }

  /** The jobs leave the outbox with the commit that claims their tasks. False where there is none, or no slot for it. */
  private async relayBatch(): Promise<boolean> {
    const { pool } = this.parts;
    const claims = new JobClaims(this.store, pool);
    for (let tenant = pool.slots.turn(); tenant !== undefined; tenant = pool.slots.turn()) {
      const { lane, agent } = this.lanes.first(tenant)!;
      claims.add(lane, agent);
      if (claims.size === BATCH) break;
    }
    if (claims.size === 0) return false;
    try {
      await this.store.database.transaction((tx) => claims.take(tx));
    } catch (error) {
      this.lanes.clear();
      claims.release();
      throw error;
    }
    claims.start();
    return true;
  }

  /**
   * Hands jobs to the queue that have waited for long, as many of each tenant. They leave the outbox after their publication:
   * a crash before that publishes them again, and so does a queue that refuses them.
   */
  private async publish(): Promise<void> {
    const { pool, queue } = this.parts;
    const lanes = this.lanes.all().filter(({ dueForMs }) => dueForMs >= PATIENCE_MS);
    const isTime = performance.now() - this.publishedAt >= PATIENCE_MS;
    if (pool.slots.limit > 0 || lanes.length === 0 || !isTime || !queue.isUp) return;
    this.publishedAt = performance.now();
    const room = QUEUE_WINDOW - (await queue.waiting());
    if (room <= 0) return;
    const amount = Math.ceil(room / lanes.length);
    const shares = lanes.slice(0, room).map(({ tenantId, agent, priority }) => ({ tenantId, agent, priority, amount }));
    const jobs = await this.store.outbox.lend(this.store.db, shares, PATIENCE_MS, LENT_MS);
    const wanted = jobs.filter(({ isWanted }) => isWanted);
    if (wanted.length > 0) await queue.add(wanted);
    await this.store.outbox.remove(this.store.db, jobs);
  }
}
