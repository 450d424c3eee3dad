import { setTimeout as delay } from 'node:timers/promises';
import { type Worker } from 'bullmq';
import { type Logger } from './logger.js';
import { QueueBackend } from './queue-backend.js';
import { type QueueConnection } from './queue-connection.js';

/** What a queue is called, and what is done with its jobs; what throws there is logged, and the job is gone. */
export interface JobWork<Data> {
  readonly name: string;
  readonly process: (data: Data) => Promise<void>;
  /** Jobs at once in one process. */
  readonly concurrency: number;
}

/** One job to publish. Of two with the same id, the second is dropped for as long as the first is in the queue. */
export interface NewJob<Data> {
  readonly data: Data;
  readonly id?: string;
}

/** How long after an error the next job is fetched; shorter than BullMQ's lock, so that no job is run twice for it. */
const RETRY_FETCH_MS = 1_000;
/** The same trouble is told again after so long. */
const REPORT_AGAIN_MS = 60_000;
/** A queue that is away is left behind. */
const CLOSE_MS = 2_000;

/** A queue of BullMQ that carries jobs from any process to a worker in any. It may lose them, or bring them twice. */
export class JobQueue<Data> {
  private readonly backend: QueueBackend;
  private queue: ReturnType<typeof this.openQueue> | undefined;
  private worker: ReturnType<typeof this.openWorker> | undefined;
  private isPaused = false;
  private reported = '';
  private reportedAt = 0;

  constructor(
    connection: QueueConnection,
    private readonly work: JobWork<Data>,
    private readonly logger: Logger,
  ) {
    this.backend = new QueueBackend(connection);
  }

  /** False while the queue would refuse jobs, as far as is known here. */
  get isUp(): boolean {
    return this.backend.isUp;
  }

  /** Publishes jobs; rejects at once while the queue is away. */
  async add(jobs: readonly NewJob<Data>[]): Promise<void> {
    const queue = await this.readyQueue();
    const bulk = jobs.map(({ data, id }) => ({
      name: 'run',
      data,
      opts: { jobId: id, removeOnComplete: true, removeOnFail: true },
    }));
    await queue.addBulk(bulk as Parameters<typeof queue.addBulk>[0]);
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
    const queue = this.backend.queue<Data>(this.work.name, {});
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
    const { name, process, concurrency } = this.work;
    const options = { concurrency, runRetryDelay: RETRY_FETCH_MS, autorun: false };
    const worker = this.backend.worker<Data>(name, ({ data }) => process(data), options);
    worker.on('error', (error) => this.report(error, 'queue.worker_error'));
    worker.on('failed', (_, error) => this.logger.info({ err: error, queue: name }, 'queue.job_failed'));
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
    this.logger.warn({ err: error, queue: this.work.name }, event);
  }
}
