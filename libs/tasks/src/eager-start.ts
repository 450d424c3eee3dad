import { type Agent } from '#agents';
import { type TaskKey } from '#store';
import { type ClaimedRun } from './claimed-run.js';

/** What a process that runs handlers offers to one that accepts tasks, where both are the same process. */
export interface LocalWorker {
  /** The name its leases are held under. */
  readonly owner: string;
  /** Takes a free slot for the agent; false where there is none. */
  reserve(agent: Agent): boolean;
  /** Gives a reserved slot back. */
  release(agent: Agent): void;
  /** Runs a claimed task on a reserved slot. Returns at once. */
  start(run: ClaimedRun): void;
  /**
   * Claims a task that is due and runs it, where there is a slot right now; else undefined. Resolves when the run has
   * ended, or there was nothing to claim.
   */
  claimIfFree(key: TaskKey, agentId: string): Promise<void> | undefined;
}

/**
 * Eager start: a task that is accepted while this process has a free slot is claimed in the accepting transaction and
 * runs at once, without the queue. Where no worker is attached, or it is full or draining, the queue carries the task.
 */
export class EagerStart {
  private worker: LocalWorker | undefined;

  attach(worker: LocalWorker): void {
    this.worker = worker;
  }

  detach(): void {
    this.worker = undefined;
  }

  /** A worker with a slot reserved for the agent, or undefined. */
  reserve(agent: Agent): LocalWorker | undefined {
    return this.worker?.reserve(agent) ? this.worker : undefined;
  }

  /** Runs a task that is due now in this process, where it has a slot. False where it is the queue's to bring. */
  wake(key: TaskKey, agentId: string): boolean {
    const run = this.worker?.claimIfFree(key, agentId);
    // A claim that fails leaves the task due, and the queue has its job.
    run?.catch(() => undefined);
    return run !== undefined;
  }
}
