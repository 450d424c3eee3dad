import { setTimeout as delay } from 'node:timers/promises';
import { type Worker } from 'bullmq';
import { type Config, type Logger, type QueueConnection } from '#platform';
import { type OutboxJob, type TaskKey } from '#store';
import { QueueBackend } from './queue-backend.js';
import { type WorkerPool } from './worker-pool.js';

/** What a job says; those of the version before have no priority. */
type QueuedJob = TaskKey & { readonly priority?: number };

const TASK_RUNS = 'task-runs';
const NORMAL_PRIORITY = 1;
/** How long after an error the next job is fetched; shorter than BullMQ's lock, so that no job is run twice for it. */
const RETRY_FETCH_MS = 1_000;
/** The same trouble is told again after so long. */
const REPORT_AGAIN_MS = 60_000;
/** A queue that is away is left behind. */
const CLOSE_MS = 2_000;

/** The queue of runs: carries what was not started eagerly. It decides nothing; the claim does. */
export class RunQueue {
  private readonly backend: QueueBackend;
  private queue: ReturnType<typeof this.openQueue> | undefined;
  private worker: ReturnType<typeof this.openWorker> | undefined;
  private isPaused = false;
  private reported = '';
  private reportedAt = 0;

  constructor(
    connection: QueueConnection,
    private readonly pool: WorkerPool,
    private readonly config: Pick<Config, 'workerConcurrency'>,
    private readonly logger: Logger,
  ) {
    this.backend = new QueueBackend(connection);
  }

  /** False while the queue would refuse jobs, as far as is known here. */
  get isUp(): boolean {
    return this.backend.isUp;
  }

  /**
   * Publishes jobs that are due; rejects at once while the queue is away. A job that is published twice runs once, or finds
   * nothing to claim.
   */
  async add(jobs: readonly OutboxJob[]): Promise<void> {
    const queue = await this.readyQueue();
    await queue.addBulk(
      jobs.map(({ id, tenantId, taskId, priority }) => ({
        name: 'run',
        data: { tenantId, taskId, priority },
        opts: { jobId: `outbox-${id}`, removeOnComplete: true, removeOnFail: true },
      })),
    );
  }

  /** How many jobs wait in it for a worker. */
  async waiting(): Promise<number> {
    const queue = await this.readyQueue();
    return queue.getWaitingCount();
  }

  /** Starts to take jobs. */
  start(): void {
    void this.takeJobs();
  }

  /** Takes no more jobs; those under way go on. */
  async pause(): Promise<void> {
    this.isPaused = true;
    await this.worker?.pause(true);
  }

  async stop(): Promise<void> {
    this.isPaused = true;
    const closed = Promise.all([this.worker?.close(true), this.queue?.close()]);
    await Promise.race([closed, delay(CLOSE_MS, undefined, { ref: false })]);
  }

  /** Throws unless the queue answers. */
  async check(): Promise<void> {
    const queue = await this.readyQueue();
    await queue.getJobCounts('waiting');
  }

  /** The queue once it can be asked. One whose connection fails before that never gets another: the next caller has a new one. */
  private async readyQueue() {
    this.backend.assertUp();
    const queue = (this.queue ??= this.openQueue());
    try {
      await queue.waitUntilReady();
      return queue;
    } catch (error) {
      if (this.queue === queue) this.queue = undefined;
      queue.close().catch(() => undefined);
      throw error;
    }
  }

  private openQueue() {
    const queue = this.backend.queue<QueuedJob>(TASK_RUNS, {});
    queue.on('error', (error) => this.report(error, 'queue.error'));
    return queue;
  }

  /**
   * The same for the worker. It runs once it is ready: before that it would ask again and again in one turn of the event loop,
   * and nothing else in the process would be done any more.
   */
  private async takeJobs(): Promise<void> {
    while (!this.isPaused) {
      const worker = (this.worker = this.openWorker());
      try {
        await worker.waitUntilReady();
        worker.on('error', () => void this.rest(worker));
        return await worker.run();
      } catch (error) {
        this.report(error as Error, 'queue.worker_error');
      }
      await worker.close(true).catch(() => undefined);
      await delay(RETRY_FETCH_MS, undefined, { ref: false });
    }
  }

  private openWorker() {
    const worker = this.backend.worker<QueuedJob>(
      TASK_RUNS,
      ({ data }) => this.pool.claimAndRun(data, data.priority ?? NORMAL_PRIORITY),
      { concurrency: this.config.workerConcurrency, runRetryDelay: RETRY_FETCH_MS, autorun: false },
    );
    worker.on('error', (error) => this.report(error, 'queue.worker_error'));
    worker.on('failed', (_, error) => this.logger.info({ err: error }, 'queue.job_failed'));
    return worker;
  }

  /** After an error BullMQ asks again at once, for as long as whatever has the queue refuses. */
  private async rest(worker: Pick<Worker, 'pause' | 'resume' | 'isPaused'>): Promise<void> {
    if (worker.isPaused()) return;
    await worker.pause(true);
    await delay(RETRY_FETCH_MS, undefined, { ref: false });
    if (!this.isPaused) await worker.resume();
  }

  /** Once for the same again and again. While the queue is away, its connection has told of it. */
  private report(error: Error, event: string): void {
    const isNew = error.message !== this.reported || performance.now() - this.reportedAt > REPORT_AGAIN_MS;
    if (!this.isUp || !isNew) return;
    this.reported = error.message;
    this.reportedAt = performance.now();
    this.logger.warn({ err: error }, event);
  }
}
