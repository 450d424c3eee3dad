import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { type Agent, type AgentRegistry } from '#agents';
import { type Config, type Logger } from '#platform';
import { type Store, type TaskKey, type WholeTaskRow } from '#store';
import { type ClaimedRun, type EagerStart, type LocalWorker, type RunLoader, type TaskJournal } from '#tasks';
import { type ActiveRun } from './active-run.js';
import { type ActiveRuns } from './active-runs.js';
import { RunSlots } from './run-slots.js';
import { type TaskRunner } from './task-runner.js';

type Transaction = Parameters<Store['outbox']['take']>[0];

/** How long a draining worker looks for runs to hand back, and how often. */
const HAND_BACK_MS = 5_000;
const HAND_BACK_PAUSE_MS = 20;
/** The same where the database could not take them. */
const HAND_BACK_OUTAGE_MS = 250;
/** How long a task that could not be read is left alone. */
const UNREAD_PAUSE_MS = 1_000;

/**
 * Runs tasks in this process, wherever they come from: an eager start, a job of the queue, or the reaper. The claim
 * decides who runs a task; the slots bound how many.
 */
export class WorkerPool implements LocalWorker {
  readonly owner = `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
  private readonly slots: RunSlots;
  private readonly draining = new AbortController();

  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly agents: AgentRegistry;
      readonly active: ActiveRuns;
      readonly runner: TaskRunner;
      readonly loader: RunLoader;
      readonly journal: TaskJournal;
      readonly eager: EagerStart;
      readonly config: Pick<Config, 'leaseMs' | 'drainMs' | 'workerConcurrency'>;
      readonly logger: Logger;
    },
  ) {
    this.slots = new RunSlots(parts.config.workerConcurrency);
    // Every job that waits for a slot listens.
    setMaxListeners(0, this.draining.signal);
  }

  /** Offers this process' slots to the tasks it accepts. */
  open(): void {
    this.parts.eager.attach(this);
  }

  /** How many runs could start now. */
  get free(): number {
    return this.draining.signal.aborted ? 0 : this.slots.free;
  }

  /** The agents of which one more run could start now. */
  agentsWithRoom(): Agent[] {
    return this.parts.agents.all().filter((agent) => this.slots.hasRoom(agent));
  }

  reserve(agent: Agent): boolean {
    return !this.draining.signal.aborted && this.slots.tryTake(agent);
  }

  release(agent: Agent): void {
    this.slots.giveBack(agent);
  }

  /** Runs a claimed task on a reserved slot. Returns at once. */
  start(run: ClaimedRun): void {
    const agent = this.parts.agents.get(run.agent);
    if (agent) void this.execute(run, agent, this.parts.active.add(run.lease, run.accepted));
  }

  /** Claims and runs a task that is due, as soon as there is a slot. Resolves when the run has ended, or there was nothing to claim. */
  async claimAndRun(key: TaskKey): Promise<void> {
    const agent = await this.agentOf(key);
    if (!agent) return;
    await this.slots.wait(agent, this.draining.signal);
    await this.claimReserved(key, agent);
  }

  /** The same where there is a slot right now; else undefined. */
  claimIfFree(key: TaskKey, agentId: string): Promise<void> | undefined {
    // After a standstill of this process its own leases may look abandoned; they are renewed at once.
    if (this.parts.active.has(key)) return undefined;
    const agent = this.parts.agents.get(agentId);
    return agent && this.reserve(agent) ? this.claimReserved(key, agent) : undefined;
  }

  /** How many runs could start now, or within `ms`. */
  async freeWithin(ms: number): Promise<number> {
    await this.slots.spare(ms, this.draining.signal);
    return this.free;
  }

  /** Reserves a slot for a task of that agent; undefined where there is none, or nobody here knows the agent. */
  reserveKnown(agentId: string | null): Agent | undefined {
    const agent = agentId === null ? undefined : this.parts.agents.get(agentId);
    return agent && this.reserve(agent) ? agent : undefined;
  }

  /** Claims those of the tasks that are due, in the caller's transaction. */
  claimAll(tx: Transaction, tasks: readonly (TaskKey & { readonly version: string })[]): Promise<WholeTaskRow[]> {
    return this.store.leases.claimAll(tx, tasks, { owner: this.owner, leaseMs: this.parts.config.leaseMs });
  }

  /** Runs tasks that were claimed so, each on its reserved slot. Returns at once. */
  startAll(rows: readonly WholeTaskRow[], agents: readonly Agent[]): void {
    void this.runAll(rows, agents);
  }

  /** Takes no more tasks, gives the runs their time, then hands back what is left without burning an attempt. */
  async drain(): Promise<void> {
    const { active, eager, config, logger, journal } = this.parts;
    eager.detach();
    this.draining.abort(new Error('the worker is draining'));
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

  private async claimReserved(key: TaskKey, agent: Agent): Promise<void> {
    const { leaseMs } = this.parts.config;
    const claim = { owner: this.owner, leaseMs, version: agent.card.version };
    const row = await this.store.leases.claim(this.store.db, key, claim).catch((error: unknown) => {
      this.slots.giveBack(agent);
      throw error;
    });
    if (row) await this.runAll([row], [agent]);
    else this.slots.giveBack(agent);
  }

  private async agentOf(key: TaskKey): Promise<Agent | undefined> {
    const id = (await this.store.tasks.find(this.store.db, key))?.agent;
    const agent = id === undefined ? undefined : this.parts.agents.get(id);
    if (id !== undefined && !agent)
      this.parts.logger.warn({ tenant: key.tenantId, task: key.taskId, agent: id }, 'run.unknown_agent');
    return agent;
  }

  /** Loads claimed tasks and runs them; those that cannot be read are handed back. */
  private async runAll(rows: readonly WholeTaskRow[], agents: readonly Agent[]): Promise<void> {
    const active = rows.map(({ tenantId, id, leaseToken }) =>
      this.parts.active.add({ tenantId, taskId: id, token: leaseToken }),
    );
    const loaded = await this.loadAll(rows);
    await Promise.all(
      loaded.map((load, i) =>
        load.status === 'fulfilled'
          ? this.execute(load.value, agents[i]!, active[i]!)
          : this.handBackUnread(load.reason, agents[i]!, active[i]!),
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

  private async handBackUnread(error: unknown, agent: Agent, active: ActiveRun): Promise<void> {
    const { tenantId, taskId } = active.lease;
    this.parts.logger.warn({ err: error, tenant: tenantId, task: taskId }, 'run.not_loaded');
    await this.store.leases.handBack(this.store.db, active.lease, null, UNREAD_PAUSE_MS).catch(() => undefined);
    this.parts.active.remove(active);
    this.slots.giveBack(agent);
  }

  private async execute(run: ClaimedRun, agent: Agent, active: ActiveRun): Promise<void> {
    try {
      await this.parts.runner.run(run, agent, active);
    } finally {
      this.parts.active.remove(active);
      this.slots.giveBack(agent);
    }
  }
}
