import { type Logger, type Signals } from '#platform';
import { type Store } from '#store';
import { OUTBOX_SIGNALS } from '#tasks';
import { Loop } from './loop.js';
import { type RunQueue } from './run-queue.js';

const BATCH = 100;
const POLL_MS = 500;

/** Moves jobs from the outbox to the queue: on a signal, and on a poll in case the signal was lost. */
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

  private async relayAll(): Promise<void> {
    while ((await this.relayBatch()) === BATCH);
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
