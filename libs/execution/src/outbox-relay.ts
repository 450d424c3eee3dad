import { type Logger, type Signals } from '#platform';
import { type Store } from '#store';
import { OUTBOX_SIGNALS } from '#tasks';
import { JobClaims } from './job-claims.js';
import { Loop } from './loop.js';
import { type RunQueue } from './run-queue.js';
import { type WorkerPool } from './worker-pool.js';

const BATCH = 100;
const POLL_MS = 500;
/** What is due and was not taken is another relay's, for the moment. */
const SOON_MS = 10;
/** Where all slots of this process are taken, jobs wait so long for one; other processes look at the outbox too. */
const PATIENCE_MS = 500;

/**
 * Takes jobs out of the outbox when they are due, on a signal, at the next due time, and on a poll in case a signal was
 * lost: into free slots of this process, as far as there are any (docs/adr/0023). The queue gets the others.
 */
export class OutboxRelay {
  private readonly loop: Loop;

  constructor(
    private readonly store: Store,
    private readonly parts: { readonly queue: RunQueue; readonly pool: WorkerPool; readonly logger: Logger },
    private readonly signals: Signals,
  ) {
    this.loop = new Loop('relay', POLL_MS, parts.logger, () => this.relayAll());
  }

  start(): void {
    this.loop.start(this.signals.subscribe(OUTBOX_SIGNALS, () => this.loop.wake()));
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async relayAll(): Promise<number> {
    for (let limit = BATCH, taken = BATCH; taken === limit;) {
      // Few slots are a small batch, and none are one for the queue.
      limit = Math.min(BATCH, (await this.parts.pool.freeWithin(PATIENCE_MS)) || BATCH);
      taken = await this.relayBatch(limit);
    }
    const nextMs = await this.store.outbox.nextDueMs(this.store.db);
    return nextMs === undefined ? POLL_MS : Math.max(nextMs, SOON_MS);
  }

  /**
   * The jobs leave the outbox with the commit that claims their tasks, or that follows their publication: a crash
   * before it publishes again.
   */
  private async relayBatch(limit: number): Promise<number> {
    const claims = new JobClaims(this.parts.pool);
    try {
      const taken = await this.store.database.transaction(async (tx) => {
        const jobs = await this.store.outbox.take(tx, limit);
        const wanted = jobs.filter(({ isWanted }) => isWanted);
        const rest = await claims.take(tx, wanted);
        if (rest.length > 0) await this.parts.queue.add(rest);
        return jobs.length;
      });
      claims.start();
      return taken;
    } catch (error) {
      claims.release();
      throw error;
    }
  }
}
