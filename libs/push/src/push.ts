import { type SigningKeys } from '#access';
import { type Config, JobQueue, type Logger, Loop, type QueueConnection, type Secrets } from '#platform';
import { type PushLaneKey, type PushLease, type Store } from '#store';
import { type Tasks } from '#tasks';
import { Attempts } from './attempts.js';
import { DeliveryBodies, type WriteTask } from './delivery-body.js';
import { DeliveryHeaders } from './delivery-headers.js';
import { DeliveryResults } from './delivery-results.js';
import { EndpointReports } from './endpoint-reports.js';
import { LanePool } from './lane-pool.js';
import { LaneRelay, type LaneTaker } from './lane-relay.js';
import { RetrySchedule } from './retry-schedule.js';
import { WebhookClient } from './webhook-client.js';

/** What deliveries are made of that this lib does not know. */
export interface PushTerms {
  readonly signingKeys: Pick<SigningKeys, 'current'>;
  /** The base URL of this server, as receivers know it; undefined where nobody has said it. */
  readonly issuer: () => string | undefined;
  /** Writes a task for receivers of older dialects. */
  readonly writeTask: WriteTask;
}

interface QueuedLanes {
  readonly lanes: readonly PushLease[];
}

const QUEUE = 'push';
/** Lanes of one job: one claim for them all, and still several workers for many. */
const JOB_LANES = 16;
const PURGE_MS = 60_000;
const PURGE_BATCH = 1_000;

/** What delivers webhooks in one process, put together. In the role `server` it sends nothing, and only hands lanes on. */
export class Push {
  private readonly store: Store;
  private readonly config: Config;
  private readonly logger: Logger;
  private readonly relay: LaneRelay;
  private readonly purge: Loop;
  private readonly queue: JobQueue<QueuedLanes>;
  private readonly reports: EndpointReports;
  private readonly client: WebhookClient;
  private readonly pool: LanePool | undefined;

  constructor(
    private readonly tasks: Tasks,
    connection: QueueConnection,
    terms: PushTerms,
  ) {
    const { store, config, logger, secrets } = tasks;
    this.store = store;
    this.config = config;
    this.logger = logger;
    this.client = new WebhookClient(config);
    this.reports = new EndpointReports(store, config, logger);
    this.pool = secrets && config.role !== 'server' ? this.openPool(secrets, terms) : undefined;
    const concurrency = Math.ceil(config.pushConcurrency / JOB_LANES);
    const process = ({ lanes }: QueuedLanes) => this.pool?.take(lanes) ?? Promise.resolve();
    this.queue = new JobQueue(connection, { name: QUEUE, process, concurrency }, logger);
    this.relay = new LaneRelay(store, this.taker(), config, logger);
    this.purge = new Loop('push.purge', PURGE_MS, logger, async () => {
      const purged = await store.pushDeliveries.purge(store.db, config.pushRetentionMs, PURGE_BATCH);
      return purged >= PURGE_BATCH ? 0 : undefined;
    });
  }

  /** Does nothing without a secret key: then there are no webhooks. */
  start(): void {
    if (!this.tasks.secrets) return;
    if (this.pool) {
      this.pool.start();
      this.queue.start();
    }
    this.relay.start(this.tasks.pushArrivals.onRecorded(() => this.relay.wake()));
    this.purge.start();
  }

  /** Sends nothing new, and resolves when the attempts under way have ended, or are given back after PERDURE_DRAIN. */
  async drain(): Promise<void> {
    const pool = this.pool?.drain(this.config.drainMs);
    await Promise.all([pool, this.relay.stop(), this.purge.stop(), this.queue.pause()]);
  }

  /** After `drain`. */
  async stop(): Promise<void> {
    await this.queue.stop();
    await this.reports.written();
    await this.client.stop();
  }

  private openPool(secrets: Secrets, { signingKeys, issuer, writeTask }: PushTerms): LanePool {
    const { store, config, logger, client, reports } = this;
    const { signals, views } = this.tasks;
    const bodies = new DeliveryBodies({ store, views, writeTask, maxTaskBytes: config.pushTaskBytes });
    const headers = new DeliveryHeaders(signingKeys, issuer);
    const attempts = new Attempts({ client, bodies, headers, logger });
    const disable = (lane: PushLaneKey, url: string, reason: string) =>
      store.database.transaction((tx) => store.pushLanes.disable(tx, lane, url, reason));
    const results = new DeliveryResults({ schedule: new RetrySchedule(config), reports, disable, logger });
    return new LanePool({ store, signals, attempts, results, secrets, config, logger }, (dueMs) =>
      this.relay.freed(dueMs),
    );
  }

  /** The queue, and while that is away this process itself. */
  private taker(): LaneTaker {
    const { queue, pool } = this;
    return {
      get isUp() {
        return queue.isUp || pool !== undefined;
      },
      take: async (leases) => {
        if (!queue.isUp) return pool?.take(leases);
        const jobs = [];
        for (let from = 0; from < leases.length; from += JOB_LANES) {
          jobs.push({ data: { lanes: leases.slice(from, from + JOB_LANES) } });
        }
        await queue.add(jobs);
      },
    };
  }
}
