import { type Config, type Logger } from '#platform';
import { type Store } from '#store';
import { type TaskJournal } from '#tasks';
import { Loop } from './loop.js';
import { type WorkerPool } from './worker-pool.js';

const POLL_MS = 500;
/** The queue has this long to bring a due task before the reaper fetches it. */
const GRACE_MS = 1_000;
const BATCH = 100;
const PURGE_BATCH = 1_000;

/**
 * Looks for what nobody else looks after: tasks that are due and not run (their worker died, or the queue lost their job),
 * tasks past their deadline, idempotency keys past their time. It makes the queue an accelerator that may be lost.
 */
export class Reaper {
  private readonly loop: Loop;

  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly pool: WorkerPool;
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
    await this.runOverdue();
    await this.store.idempotency.purge(this.store.db, this.parts.config.idempotencyTtlMs, PURGE_BATCH);
    return failed === BATCH ? 0 : undefined;
  }

  /** One after the other, the earliest deadline first; answers with how many there were. */
  private async failPastDeadline(): Promise<number> {
    const keys = await this.store.leases.pastDeadline(this.store.db, BATCH);
    for (const key of keys) await this.parts.journal.failPastDeadline(key);
    return keys.length;
  }

  private async runOverdue(): Promise<void> {
    const { pool, logger } = this.parts;
    const agents = pool.agentsWithRoom().map(({ id }) => id);
    if (pool.free <= 0 || agents.length === 0) return;
    const overdue = await this.store.leases.overdue(this.store.db, agents, GRACE_MS, Math.min(BATCH, pool.free));
    for (const { tenantId, taskId, agent } of overdue) {
      pool
        .claimIfFree({ tenantId, taskId }, agent)
        ?.catch((error: unknown) => logger.warn({ err: error, tenant: tenantId, task: taskId }, 'reaper.run_failed'));
    }
  }
}
