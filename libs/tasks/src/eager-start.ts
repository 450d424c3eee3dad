import { type Agent } from '#agents';
import { type TaskKey } from '#store';
import { type ClaimedRun } from './claimed-run.js';

/** Room for one run in this process, held for a task that is being accepted. */
export interface ReservedSlot {
  /** The name that its lease is held under. */
  readonly owner: string;
  /** Runs a claimed task in it. Returns at once. */
  start(run: ClaimedRun): void;
  /** Gives it back. */
  release(): void;
}

/** What a process that runs handlers offers to one that accepts tasks, where both are the same process. */
export interface LocalWorker {
  /** A free slot that nobody waits for; undefined where there is none. */
  reserve(agent: Agent, tenant: string): ReservedSlot | undefined;
  /** A slot as soon as it is the tenant's turn; undefined where that is not to be expected, or does not come, within `ms`. */
  reserveWithin(agent: Agent, tenant: string, ms: number): Promise<ReservedSlot | undefined>;
  /**
   * Claims a task that is due and runs it, where there is a slot right now; else undefined. Resolves when the run has
   * ended, or there was nothing to claim.
   */
  claimIfFree(key: TaskKey, agentId: string): Promise<void> | undefined;
}

/**
 * Eager start: a task that is accepted while this process has a free slot is claimed in the accepting transaction and
 * runs at once, without the outbox. Where slots come back quickly, it is worth waiting for one for a moment. Where no
 * worker is attached, or it is full or draining, or others wait for longer, the outbox has the task.
 */
export class EagerStart {
  private worker: LocalWorker | undefined;

  attach(worker: LocalWorker): void {
    this.worker = worker;
  }

  detach(): void {
    this.worker = undefined;
  }

  /** A slot, if there is one. */
  reserve(agent: Agent, tenant: string): ReservedSlot | undefined {
    return this.worker?.reserve(agent, tenant);
  }

  /** A slot, if there will soon be one. */
  async reserveWithin(agent: Agent, tenant: string, ms: number): Promise<ReservedSlot | undefined> {
    return this.worker?.reserveWithin(agent, tenant, ms);
  }

  /** Runs a task that is due now in this process, where it has a slot. False where it is the outbox' to bring. */
  wake(key: TaskKey, agentId: string): boolean {
    const run = this.worker?.claimIfFree(key, agentId);
    // A claim that fails leaves the task due, and the outbox has its job.
    run?.catch(() => undefined);
    return run !== undefined;
  }
}
