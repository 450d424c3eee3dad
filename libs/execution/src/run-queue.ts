import { type Config, JobQueue, type Logger, type QueueConnection } from '#platform';
import { type OutboxJob, type TaskKey } from '#store';
import { type WorkerPool } from './worker-pool.js';

/** What a job says; those of the version before have no priority. */
type QueuedJob = TaskKey & { readonly priority?: number };

const TASK_RUNS = 'task-runs';
const NORMAL_PRIORITY = 1;

/** The queue of runs: carries what was not started eagerly. It decides nothing; the claim does. */
export class RunQueue {
  private readonly jobs: JobQueue<QueuedJob>;

  constructor(
    connection: QueueConnection,
    pool: WorkerPool,
    { workerConcurrency }: Pick<Config, 'workerConcurrency'>,
    logger: Logger,
  ) {
    const process = (job: QueuedJob) => pool.claimAndRun(job, job.priority ?? NORMAL_PRIORITY);
    this.jobs = new JobQueue(connection, { name: TASK_RUNS, process, concurrency: workerConcurrency }, logger);
  }

  /** False while the queue would refuse jobs, as far as is known here. */
  get isUp(): boolean {
    return this.jobs.isUp;
  }

  /**
   * Publishes jobs that are due; rejects at once while the queue is away. A job that is published twice runs once, or finds
   * nothing to claim.
   */
  add(jobs: readonly OutboxJob[]): Promise<void> {
    return this.jobs.add(
      jobs.map(({ id, tenantId, taskId, priority }) => ({
        id: `outbox-${id}`,
        data: { tenantId, taskId, priority },
      })),
    );
  }

  /** How many jobs wait in it for a worker. */
  waiting(): Promise<number> {
    return this.jobs.waiting();
  }

  /** Starts to take jobs. */
  start(): void {
    this.jobs.start();
  }

  /** Takes no more jobs; those under way go on. */
  pause(): Promise<void> {
    return this.jobs.pause();
  }

  stop(): Promise<void> {
    return this.jobs.stop();
  }

  /** Throws unless the queue answers. */
  check(): Promise<void> {
    return this.jobs.check();
  }
}
