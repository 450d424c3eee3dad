import { type Logger, type Signals } from '#platform';
import { type Store } from '#store';
import { OUTBOX_SIGNALS } from '#tasks';
import { Loop } from './loop.js';
import { type RunQueue } from './run-queue.js';

const BATCH = 100;
const POLL_MS = 500;
/** What is due and was not taken is another relay's, for the moment. */
const SOON_MS = 10;

/**
 * Moves jobs from the outbox to the queue when they are due: on a signal, at the next due time, and on a poll in case
 * a signal was lost.
 */
export class OutboxRelay {
  private readonly loop: Loop;

  constructor(
    private readonly store: Store,
    private readonly queue: RunQueue,
    private readonly signals: Signals,
    logger: Logger,
  ) {
    this.loop = new Loop('relay', POLL_MS, logger, () => this.relayAll());
  }

  start(): void {
    this.loop.start(this.signals.subscribe(OUTBOX_SIGNALS, () => this.loop.wake()));
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async relayAll(): Promise<number> {
    while ((await this.relayBatch()) === BATCH);
    const nextMs = await this.store.outbox.nextDueMs(this.store.db);
    return nextMs === undefined ? POLL_MS : Math.max(nextMs, SOON_MS);
  }

  /** The jobs leave the outbox with the commit that follows their publication: a crash between the two publishes again. */
  private relayBatch(): Promise<number> {
    return this.store.database.transaction(async (tx) => {
      const jobs = await this.store.outbox.take(tx, BATCH);
      if (jobs.length > 0) await this.queue.add(jobs);
      return jobs.length;
    });
  }
}
