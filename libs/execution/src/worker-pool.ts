import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { type Agent, type AgentRegistry } from '#agents';
import { type Config, type Logger } from '#platform';
import { type OutboxJob, type Store, type TaskKey, type WholeTaskRow } from '#store';
import {
  type ClaimedRun,
  type EagerStart,
  type LocalWorker,
  type ReservedSlot,
  type RunLoader,
  type TaskJournal,
} from '#tasks';
import { type ActiveRun } from './active-run.js';
import { type ActiveRuns } from './active-runs.js';
import { type RunSlot, RunSlots } from './run-slots.js';
import { type TaskRunner } from './task-runner.js';
import { TenantShares } from './tenant-shares.js';

type Transaction = Parameters<Store['outbox']['take']>[0];

/** How long a draining worker looks for runs to hand back, and how often. */
const HAND_BACK_MS = 5_000;
const HAND_BACK_PAUSE_MS = 20;
/** The same where the database could not take them. */
const HAND_BACK_OUTAGE_MS = 250;
/** How long a task that could not be read is left alone. */
const UNREAD_PAUSE_MS = 1_000;

/**
 * Runs tasks in this process, wherever they come from: an eager start, the outbox, or a job of the queue. The claim decides
 * who runs a task; the slots bound how many, and whose turn it is.
 */
export class WorkerPool implements LocalWorker {
  readonly owner = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
  readonly slots: RunSlots;

  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly agents: AgentRegistry;
      readonly active: ActiveRuns;
      readonly runner: TaskRunner;
      readonly loader: RunLoader;
      readonly journal: TaskJournal;
      readonly eager: EagerStart;
      readonly config: Pick<Config, 'leaseMs' | 'drainMs' | 'workerConcurrency' | 'tenantConcurrency'>;
      readonly logger: Logger;
    },
  ) {
    const { workerConcurrency, tenantConcurrency } = parts.config;
    this.slots = new RunSlots(workerConcurrency, new TenantShares(), tenantConcurrency);
  }

  /** Offers this process' slots to the tasks it accepts. */
  open(): void {
    this.parts.eager.attach(this);
  }

  /** How many runs could start now. */
  get free(): number {
    return this.slots.free;
  }

  /** Whether a run of the task is under way here. */
  isRunning(key: TaskKey): boolean {
    return this.parts.active.has(key);
  }

  reserve(agent: Agent, tenant: string): ReservedSlot | undefined {
    const slot = this.slots.tryTake(agent, tenant);
    return slot && new Reservation(this, slot);
  }

  async reserveWithin(agent: Agent, tenant: string, ms: number): Promise<ReservedSlot | undefined> {
    if (this.slots.expectedWaitMs(tenant) > ms) return undefined;
    const slot = await this.slots.soon(agent, tenant, ms);
    return slot && new Reservation(this, slot);
  }

  /** Runs a claimed task on a slot. Returns at once. */
  start(run: ClaimedRun, slot: RunSlot): void {
    void this.execute(run, slot, this.parts.active.add(run.lease, run.accepted));
  }

  /** Claims and runs a task that is due, as soon as there is a slot. Resolves when the run has ended, or there was nothing to claim. */
  async claimAndRun(key: TaskKey, priority: number): Promise<void> {
    const agent = await this.agentOf(key);
    if (!agent) return;
    const slot = await this.slots.forJob(agent, key.tenantId, priority);
    if (!slot) throw new Error('the worker is draining');
    await this.claimInto(slot, key);
  }

  claimIfFree(key: TaskKey, agentId: string): Promise<void> | undefined {
    const agent = this.parts.agents.get(agentId);
    const slot = agent && this.slots.tryTake(agent, key.tenantId);
    return slot && this.claimInto(slot, key);
  }

  /** Claims those of the tasks that are due, in the caller's transaction. */
  claimAll(tx: Transaction, jobs: readonly OutboxJob[]): Promise<WholeTaskRow[]> {
    const version = (agent: string) => this.parts.agents.get(agent)!.card.version;
    const tasks = jobs.map(({ tenantId, taskId, agent }) => ({ tenantId, taskId, version: version(agent) }));
    return this.store.leases.claimAll(tx, tasks, { owner: this.owner, leaseMs: this.parts.config.leaseMs });
  }

  /** Runs tasks that were claimed, each on its slot. Returns at once. */
  startAll(claimed: readonly ClaimedRow[]): void {
    void this.runAll(claimed);
  }

  /** Takes no more tasks, gives the runs their time, then hands back what is left without burning an attempt. */
  async drain(): Promise<void> {
    const { active, eager, config, logger, journal } = this.parts;
    eager.detach();
    this.slots.close();
    let idle = await this.slots.idle(config.drainMs);
    let runs = 0;
    const stopped = new Set<ActiveRun>();
    // A slot may be taken by a claim or an acceptance whose answer is still to come: its run is handed back when it
    // appears. Where the database is away for a moment, it is asked again.
    for (const patience = performance.now() + HAND_BACK_MS; !idle && performance.now() < patience;) {
      for (const run of active.abortAll('the worker is shutting down')) stopped.add(run);
      runs += await this.handBackAll(stopped);
      idle = (await this.slots.idle(HAND_BACK_PAUSE_MS)) && stopped.size === 0;
      if (stopped.size > 0) await delay(HAND_BACK_OUTAGE_MS);
    }
    if (runs > 0) {
      journal.signalOutbox();
      logger.info({ runs }, 'drain.handed_back');
    }
    active.stop();
  }

  /** Gives back the leases of the runs, as far as the database takes them; leaves those among the runs that are still to do. */
  private async handBackAll(runs: Set<ActiveRun>): Promise<number> {
    const { leases, leaseDb } = this.store;
    // A run that began beside the acceptance of its task has no lease to give back before that is committed.
    const accepted = Promise.allSettled([...runs].map((run) => run.accepted));
    await Promise.race([accepted, delay(HAND_BACK_MS, undefined, { ref: false })]);
    let handedBack = 0;
    try {
      for (const run of runs) {
        if (await leases.handBack(leaseDb, run.lease, null, 0)) handedBack++;
        runs.delete(run);
      }
    } catch (error) {
      this.parts.logger.warn({ err: error, runs: runs.size }, 'drain.hand_back_failed');
    }
    return handedBack;
  }

  private async claimInto(slot: RunSlot, key: TaskKey): Promise<void> {
    const { leaseMs } = this.parts.config;
    const claim = { owner: this.owner, leaseMs, version: slot.agent.card.version };
    const row = await this.store.leases.claim(this.store.db, key, claim).catch((error: unknown) => {
      this.slots.undo(slot);
      throw error;
    });
    if (row) await this.runAll([{ row, slot }]);
    else this.slots.undo(slot);
  }

  private async agentOf(key: TaskKey): Promise<Agent | undefined> {
    const id = (await this.store.tasks.find(this.store.db, key))?.agent;
    const agent = id === undefined ? undefined : this.parts.agents.get(id);
    if (id !== undefined && !agent)
      this.parts.logger.warn({ tenant: key.tenantId, task: key.taskId, agent: id }, 'run.unknown_agent');
    return agent;
  }

  /** Loads claimed tasks and runs them; those that cannot be read are handed back. */
  private async runAll(claimed: readonly ClaimedRow[]): Promise<void> {
    const active = claimed.map(({ row: { tenantId, id, leaseToken } }) =>
      this.parts.active.add({ tenantId, taskId: id, token: leaseToken }),
    );
    const loaded = await this.loadAll(claimed.map(({ row }) => row));
    await Promise.all(
      loaded.map((load, i) =>
        load.status === 'fulfilled'
          ? this.execute(load.value, claimed[i]!.slot, active[i]!)
          : this.handBackUnread(load.reason, claimed[i]!.slot, active[i]!),
      ),
    );
  }

  /** Together; where that fails, each by itself: one that cannot be read stands in nobody's way. */
  private async loadAll(rows: readonly WholeTaskRow[]): Promise<PromiseSettledResult<ClaimedRun>[]> {
    const { loader } = this.parts;
    const together = await loader.loadAll(rows).catch(() => undefined);
    if (together) return together.map((value) => ({ status: 'fulfilled', value }));
    return Promise.allSettled(rows.map((row) => loader.load(row)));
  }

  private async handBackUnread(error: unknown, slot: RunSlot, active: ActiveRun): Promise<void> {
    const { tenantId, taskId } = active.lease;
    this.parts.logger.warn({ err: error, tenant: tenantId, task: taskId }, 'run.not_loaded');
    await this.store.leases.handBack(this.store.db, active.lease, null, UNREAD_PAUSE_MS).catch(() => undefined);
    this.parts.active.remove(active);
    this.slots.undo(slot);
  }

  private async execute(run: ClaimedRun, slot: RunSlot, active: ActiveRun): Promise<void> {
    try {
      await this.parts.runner.run(run, slot.agent, active);
    } finally {
      this.parts.active.remove(active);
      this.slots.giveBack(slot);
    }
  }
}

/** A task that is claimed, and the slot for its run. */
export interface ClaimedRow {
  readonly row: WholeTaskRow;
  readonly slot: RunSlot;
}

/** A slot in the hands of whoever accepts a task. */
class Reservation implements ReservedSlot {
  constructor(
    private readonly pool: WorkerPool,
    private readonly slot: RunSlot,
  ) {}

  get owner(): string {
    return this.pool.owner;
  }

  start(run: ClaimedRun): void {
    this.pool.start(run, this.slot);
  }

  release(): void {
    this.pool.slots.undo(this.slot);
  }
}
