import { type Agent } from '#agents';
import { type OutboxJob, type Store, type TaskKey, type WholeTaskRow } from '#store';
import { topicKey } from '#tasks';
import { type WorkerPool } from './worker-pool.js';

type Transaction = Parameters<Store['outbox']['take']>[0];

/** Jobs on their way from the outbox straight into free slots: claimed in the transaction that takes them, and run after it. */
export class JobClaims {
  /** The agents whose slots are reserved, by the tasks they are for. */
  private readonly reserved = new Map<string, Agent>();
  private claimed: readonly WholeTaskRow[] = [];

  constructor(private readonly pool: WorkerPool) {}

  /** Claims the tasks for which there are slots. Answers with the jobs of the others. */
  async take(tx: Transaction, jobs: readonly OutboxJob[]): Promise<OutboxJob[]> {
    // The transaction may be tried again.
    this.release();
    const claims = [];
    for (const job of jobs) {
      const agent = this.reserved.has(topicKey(job)) ? undefined : this.pool.reserveKnown(job.agent);
      if (!agent) continue;
      this.reserved.set(topicKey(job), agent);
      claims.push({ tenantId: job.tenantId, taskId: job.taskId, version: agent.card.version });
    }
    if (claims.length > 0) this.claimed = await this.pool.claimAll(tx, claims);
    const claimed = new Set(this.claimed.map(keyOf).map(topicKey));
    return jobs.filter((job) => !claimed.has(topicKey(job)));
  }

  /** Runs what was claimed, once that is committed. */
  start(): void {
    const { claimed } = this;
    const names = claimed.map(keyOf).map(topicKey);
    const agents = names.map((name) => this.reserved.get(name)!);
    for (const name of names) this.reserved.delete(name);
    this.release();
    if (claimed.length > 0) this.pool.startAll(claimed, agents);
  }

  /** Gives back the slots of what is not run. */
  release(): void {
    for (const agent of this.reserved.values()) this.pool.release(agent);
    this.reserved.clear();
    this.claimed = [];
  }
}

function keyOf({ tenantId, id }: WholeTaskRow): TaskKey {
  return { tenantId, taskId: id };
}
