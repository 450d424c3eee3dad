import { createPostgresBackend, withBackend } from 'bullmq';
import { type Config, type Logger, type QueueConnection } from '#platform';
import { type OutboxJob, type TaskKey } from '#store';
import { type WorkerPool } from './worker-pool.js';

const { Queue, Worker } = withBackend(createPostgresBackend);

const TASK_RUNS = 'task-runs';
/** BullMQ waits this long after an error before it fetches again; shorter than its lock, so that no job is run twice for it. */
const RETRY_FETCH_MS = 1_000;

/** The queue of runs: carries what was not started eagerly. It decides nothing; the claim does. */
export class RunQueue {
  private readonly queue;
  private worker: InstanceType<typeof Worker<TaskKey>> | undefined;

  constructor(
    private readonly connection: QueueConnection,
    private readonly pool: WorkerPool,
    private readonly config: Pick<Config, 'workerConcurrency'>,
    private readonly logger: Logger,
  ) {
    this.queue = new Queue<TaskKey>(TASK_RUNS, { connection: connection.pool });
    this.queue.on('error', (error) => this.logger.warn({ err: error }, 'queue.error'));
  }

  /** Publishes jobs that are due. A job that is published twice runs once, or finds nothing to claim. */
  async add(jobs: readonly OutboxJob[]): Promise<void> {
    await this.queue.addBulk(
      jobs.map(({ id, tenantId, taskId }) => ({
        name: 'run',
        data: { tenantId, taskId },
        opts: { jobId: `outbox-${id}`, removeOnComplete: true, removeOnFail: true },
      })),
    );
  }

  /** Starts to take jobs. */
  start(): void {
    this.worker = new Worker<TaskKey>(TASK_RUNS, (job) => this.pool.claimAndRun(job.data), {
      connection: this.connection.pool,
      concurrency: this.config.workerConcurrency,
      runRetryDelay: RETRY_FETCH_MS,
    });
    this.worker.on('error', (error) => this.logger.warn({ err: error }, 'queue.worker_error'));
    this.worker.on('failed', (_, error) => this.logger.info({ err: error }, 'queue.job_failed'));
  }

  /** Takes no more jobs; those under way go on. */
  async pause(): Promise<void> {
    await this.worker?.pause(true);
  }

  async stop(): Promise<void> {
    await this.worker?.close(true);
    await this.queue.close();
  }

  /** Throws unless the queue answers. */
  async check(): Promise<void> {
    await this.queue.getJobCounts('waiting');
  }
}
