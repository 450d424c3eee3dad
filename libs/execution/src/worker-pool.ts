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
    this.runAll(rows, agents).catch((error: unknown) => {
      this.parts.logger.warn({ err: error, runs: rows.length }, 'run.not_loaded');
    });
  }

  /** Takes no more tasks, gives the runs their time, then hands back what is left without burning an attempt. */
  async drain(): Promise<void> {
    const { active, eager, config, logger, journal } = this.parts;
    eager.detach();
    this.draining.abort(new Error('the worker is draining'));
    let idle = await this.slots.idle(config.drainMs);
    let runs = 0;
    // A slot may be taken by a claim or an acceptance whose answer is still to come: its run is handed back when it appears.
    for (const patience = performance.now() + HAND_BACK_MS; !idle && performance.now() < patience;) {
      runs += await this.handBackAll();
      idle = await this.slots.idle(HAND_BACK_PAUSE_MS);
    }
    if (runs > 0) {
      journal.signalOutbox();
      logger.info({ runs }, 'drain.handed_back');
    }
    active.stop();
  }

  private async handBackAll(): Promise<number> {
    const { leases, leaseDb } = this.store;
    const runs = this.parts.active.abortAll('the worker is shutting down');
    // A run that began beside the acceptance of its task has no lease to give back before that is committed.
    const accepted = Promise.allSettled(runs.map((run) => run.accepted));
    await Promise.race([accepted, delay(HAND_BACK_MS, undefined, { ref: false })]);
    let handedBack = 0;
    for (const { lease } of runs) {
      if (await leases.handBack(leaseDb, lease, null, 0)) handedBack++;
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

  /** Loads claimed tasks and runs them. */
  private async runAll(rows: readonly WholeTaskRow[], agents: readonly Agent[]): Promise<void> {
    const active = rows.map(({ tenantId, id, leaseToken }) =>
      this.parts.active.add({ tenantId, taskId: id, token: leaseToken }),
    );
    const runs = await this.parts.loader.loadAll(rows).catch(async (error: unknown) => {
      for (const [i, { lease }] of active.entries()) {
        this.parts.active.remove(active[i]!);
        this.slots.giveBack(agents[i]!);
        await this.store.leases.handBack(this.store.db, lease, null, 0).catch(() => undefined);
      }
      throw error;
    });
    await Promise.all(runs.map((run, i) => this.execute(run, agents[i]!, active[i]!)));
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
