import { createPostgresBackend, Queue, type QueueOptions, Worker, type WorkerOptions, withBackend } from 'bullmq';
import { type QueueConnection } from './queue-connection.js';
import { assertReady } from './redis.js';

type Options<T> = Omit<T, 'connection' | 'prefix'>;
type Process<Data> = (job: { readonly data: Data }) => Promise<void>;

const overPostgres = withBackend(createPostgresBackend);
/** How long a worker waits at a time for a job to come, in seconds: for less than what counts as silence of Redis. */
const REDIS_WAIT_S = 2;

/** BullMQ in Postgres or in Redis, which are the same from here on. */
export class QueueBackend {
  constructor(private readonly connection: QueueConnection) {}

  /** Whether the queue can be asked now. Over Postgres, asking tells. */
  get isUp(): boolean {
    const { connection } = this;
    return connection.kind === 'postgres' || connection.producer.status === 'ready';
  }

  /** Throws where asking would wait for Redis. */
  assertUp(): void {
    if (this.connection.kind === 'redis') assertReady(this.connection.producer);
  }

  queue<Data>(name: string, options: Options<QueueOptions>) {
    const { connection } = this;
    if (connection.kind === 'postgres') {
      return new overPostgres.Queue<Data>(name, { ...options, connection: connection.pool });
    }
    const { producer, prefix } = connection;
    return new Queue<Data>(name, { ...options, connection: producer, prefix, skipVersionCheck: true });
  }

  worker<Data>(name: string, process: Process<Data>, options: Options<WorkerOptions>) {
    const { connection } = this;
    if (connection.kind === 'postgres') {
      return new overPostgres.Worker<Data>(name, process, { ...options, connection: connection.pool });
    }
    const { consumer, prefix } = connection;
    const redis = { connection: consumer, prefix, skipVersionCheck: true, drainDelay: REDIS_WAIT_S };
    return new Worker<Data>(name, process, { ...options, ...redis });
  }
}
