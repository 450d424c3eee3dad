import { type Config, type Logger, Loop } from '#platform';
import { type Store } from '#store';
import { type TaskJournal } from '#tasks';

const POLL_MS = 500;
/** The queue has this long to bring a due task before its job is made anew. */
const GRACE_MS = 1_000;
const DEADLINES = 100;
const OVERDUE = 1_000;
/** Where very many tasks wait for a slot, a look at all of them takes several turns of about so long. */
const TURN_MS = 50;
const PURGE_BATCH = 1_000;

/**
 * Looks for what nobody else looks after: tasks that are due, not run and without a job (their worker died, or the queue lost
 * their job), tasks past their deadline, idempotency keys past their time. It makes the queue an accelerator that may be
 * lost. The jobs that it makes take their turns as all others do.
 */
export class Reaper {
  private readonly loop: Loop;
  /** How far the look at all overdue tasks has come; undefined where it begins anew. */
  private place: string | undefined;
  /** Up to when tasks have become overdue that were looked at already. */
  private seenUntil: string | undefined;

  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly journal: TaskJournal;
      readonly config: Pick<Config, 'idempotencyTtlMs'>;
      readonly logger: Logger;
    },
  ) {
    this.loop = new Loop('reaper', POLL_MS, parts.logger, () => this.look());
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** Answers with 0 where there is more to do at once. */
  private async look(): Promise<number | undefined> {
    const failed = await this.failPastDeadline();
    await this.requeueOverdue();
    await this.store.idempotency.purge(this.store.db, this.parts.config.idempotencyTtlMs, PURGE_BATCH);
    return failed === DEADLINES ? 0 : undefined;
  }

  /** One after the other, the earliest deadline first; answers with how many there were. */
  private async failPastDeadline(): Promise<number> {
    const keys = await this.store.leases.pastDeadline(this.store.db, DEADLINES);
    for (const key of keys) await this.parts.journal.failPastDeadline(key);
    return keys.length;
  }

  /** First those that have become overdue since the last look, then all of them, one part after the other. */
  private async requeueOverdue(): Promise<void> {
    for (let from = this.seenUntil; from !== undefined;) from = (await this.requeue(from)).to;
    for (const begunAt = performance.now(); ;) {
      const { requeued, to, until } = await this.requeue(this.place);
      this.place = to;
      this.seenUntil = until;
      if (to === undefined || (requeued === 0 && performance.now() - begunAt > TURN_MS)) return;
    }
  }

  private async requeue(from: string | undefined) {
    const page = await this.store.leases.requeueOverdue(this.store.db, { from, graceMs: GRACE_MS, limit: OVERDUE });
    if (page.requeued > 0) this.parts.journal.signalOutbox();
    return page;
  }
}
