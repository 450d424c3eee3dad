import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { randomUUID } from 'node:crypto';
import { type Agent, type AgentRegistry } from '#agents';
import { type Config, type Logger } from '#platform';
import { type Store, type TaskKey } from '#store';
import { type ClaimedRun, type EagerStart, type LocalWorker, type RunLoader, type TaskJournal } from '#tasks';
import { type ActiveRun } from './active-run.js';
import { type ActiveRuns } from './active-runs.js';
import { RunSlots } from './run-slots.js';
import { type TaskRunner } from './task-runner.js';

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
    if (agent) void this.execute(run, agent, this.parts.active.add(run.lease));
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
    const agent = this.parts.agents.get(agentId);
    return agent && this.reserve(agent) ? this.claimReserved(key, agent) : undefined;
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
    const { leases, db } = this.store;
    let handedBack = 0;
    for (const { lease } of this.parts.active.abortAll('the worker is shutting down')) {
      if (await leases.handBack(db, lease, null, 0)) handedBack++;
    }
    return handedBack;
  }

  private async claimReserved(key: TaskKey, agent: Agent): Promise<void> {
    const active = await this.claim(key).catch((error: unknown) => {
      this.slots.giveBack(agent);
      throw error;
    });
    if (!active) this.slots.giveBack(agent);
    else await this.execute(active.run, agent, active.active);
  }

  private async agentOf(key: TaskKey): Promise<Agent | undefined> {
    const id = (await this.store.tasks.find(this.store.db, key))?.agent;
    const agent = id === undefined ? undefined : this.parts.agents.get(id);
    if (id !== undefined && !agent)
      this.parts.logger.warn({ tenant: key.tenantId, task: key.taskId, agent: id }, 'run.unknown_agent');
    return agent;
  }

  private async claim(key: TaskKey): Promise<{ run: ClaimedRun; active: ActiveRun } | undefined> {
    const row = await this.store.leases.claim(this.store.db, key, this.owner, this.parts.config.leaseMs);
    if (!row) return undefined;
    const active = this.parts.active.add({ ...key, token: row.leaseToken });
    try {
      return { run: await this.parts.loader.load(row), active };
    } catch (error) {
      this.parts.active.remove(active);
      throw error;
    }
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
