import { type QueueConnection } from '#platform';
import { type Tasks } from '#tasks';
import { ActiveRuns } from './active-runs.js';
import { DelegationFollower } from './delegation/delegation-follower.js';
import { OutboxRelay } from './outbox-relay.js';
import { Reaper } from './reaper.js';
import { RunQueue } from './run-queue.js';
import { TaskRunner } from './task-runner.js';
import { WorkerPool } from './worker-pool.js';

/** What runs handlers in one process, put together. In the role `server` it runs none, and only hands due tasks on. */
export class Execution {
  private readonly runs: boolean;
  private readonly active: ActiveRuns;
  private readonly pool: WorkerPool;
  private readonly queue: RunQueue;
  private readonly relay: OutboxRelay;
  private readonly reaper: Reaper;
  private readonly follower: DelegationFollower;

  constructor(tasks: Tasks, connection: QueueConnection) {
    const { store, signals, streams, journal, loader, agents, eager, delegations, config, logger } = tasks;
    this.runs = config.role !== 'server';
    this.active = new ActiveRuns(store, signals, config, logger);
    const runner = new TaskRunner({ store, agents, journal, streams, loader, delegations, config, logger });
    const slots = { ...config, workerConcurrency: this.runs ? config.workerConcurrency : 0 };
    this.pool = new WorkerPool(store, {
      agents,
      active: this.active,
      runner,
      loader,
      journal,
      eager,
      config: slots,
      logger,
    });
    this.queue = new RunQueue(connection, this.pool, config, logger);
    this.relay = new OutboxRelay(store, { queue: this.queue, pool: this.pool, agents, logger }, signals);
    this.reaper = new Reaper(store, { journal, config, logger });
    const { service, taskSignals, callbacks } = tasks;
    this.follower = new DelegationFollower({ store, signals, taskSignals, callbacks, service, agents, config, logger });
  }

  start(): void {
    if (this.runs) this.startRuns();
    this.relay.start();
    this.reaper.start();
  }

  private startRuns(): void {
    this.active.start();
    this.pool.open();
    this.queue.start();
    this.follower.start();
  }

  /** Claims nothing more, and resolves when the runs under way have ended or are handed back. */
  async drain(): Promise<void> {
    await Promise.all([this.reaper.stop(), this.queue.pause(), this.follower.stop()]);
    await this.pool.drain();
  }

  /** After `drain`: lets the relay finish what it is at, and closes the queue. */
  async stop(): Promise<void> {
    await this.relay.stop();
    await this.queue.stop();
  }

  /** Throws unless the queue answers. */
  check(): Promise<void> {
    return this.queue.check();
  }
}
