import type pg from 'pg';
import { closePool } from '#platform';
import { CallbackRepository } from './callback.repository.js';
import { Database, type Queryable } from './database.js';
import { DelegationRepository } from './delegation.repository.js';
import { type GroupCommitter } from './group-committer.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { LeaseRepository } from './lease.repository.js';
import { OperatedDeliveryRepository } from './operated-delivery.repository.js';
import { OperatedWebhookRepository } from './operated-webhook.repository.js';
import { OperatorRepository } from './operator.repository.js';
import { OutboxRepository } from './outbox.repository.js';
import { PushConfigRepository } from './push-config.repository.js';
import { PushDeliveryRepository } from './push-delivery.repository.js';
import { PushEndpointRepository } from './push-endpoint.repository.js';
import { PushLaneRepository } from './push-lane.repository.js';
import { PushRepairRepository } from './push-repair.repository.js';
import { ResultRepository } from './result.repository.js';
import { SignalRepository } from './signal.repository.js';
import { SigningKeyRepository } from './signing-key.repository.js';
import { TaskLogRepository } from './task-log.repository.js';
import { TaskRepository } from './task.repository.js';
import { TurnRepository } from './turn.repository.js';

/** The way to the database: the pool with its transactions, the committer, and the statements by their nouns. */
export class Store {
  readonly db: Queryable;
  /** For keeping leases and giving them back: whatever keeps the pool busy costs no run its lease. */
  readonly leaseDb: Queryable;
  readonly database: Database;
  readonly tasks = new TaskRepository();
  readonly log = new TaskLogRepository();
  readonly turns = new TurnRepository();
  readonly leases = new LeaseRepository();
  readonly outbox = new OutboxRepository();
  readonly operator = new OperatorRepository();
  readonly results = new ResultRepository();
  readonly signals = new SignalRepository();
  readonly delegations = new DelegationRepository();
  readonly callbacks = new CallbackRepository();
  readonly pushConfigs = new PushConfigRepository();
  readonly pushDeliveries = new PushDeliveryRepository();
  readonly pushLanes = new PushLaneRepository();
  readonly pushEndpoints = new PushEndpointRepository();
  readonly operatedWebhooks = new OperatedWebhookRepository();
  readonly operatedDeliveries = new OperatedDeliveryRepository();
  readonly pushRepairs = new PushRepairRepository();
  readonly idempotency = new IdempotencyRepository();
  readonly signingKeys = new SigningKeyRepository();

  constructor(
    private readonly pools: { readonly calls: pg.Pool; readonly leases: pg.Pool },
    readonly committer: GroupCommitter,
  ) {
    this.database = new Database(pools.calls);
    this.db = this.database.statements;
    this.leaseDb = new Database(pools.leases).statements;
  }

  /** Closes the pools. */
  async close(): Promise<void> {
    await Promise.all([closePool(this.pools.calls), closePool(this.pools.leases)]);
  }

  /** Throws unless the database answers, on the pool and on the committer's connection. */
  async check(): Promise<void> {
    await Promise.all([this.db.query('select 1'), this.committer.check()]);
  }
}
