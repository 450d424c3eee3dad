import type pg from 'pg';
import { Database } from './database.js';
import { type GroupCommitter } from './group-committer.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { LeaseRepository } from './lease.repository.js';
import { OutboxRepository } from './outbox.repository.js';
import { SigningKeyRepository } from './signing-key.repository.js';
import { TaskLogRepository } from './task-log.repository.js';
import { TaskRepository } from './task.repository.js';
import { TurnRepository } from './turn.repository.js';

/** The way to the database: the pool with its transactions, the committer, and the statements by their nouns. */
export class Store {
  readonly db: pg.Pool;
  readonly database: Database;
  readonly tasks = new TaskRepository();
  readonly log = new TaskLogRepository();
  readonly turns = new TurnRepository();
  readonly leases = new LeaseRepository();
  readonly outbox = new OutboxRepository();
  readonly idempotency = new IdempotencyRepository();
  readonly signingKeys = new SigningKeyRepository();

  constructor(
    pool: pg.Pool,
    readonly committer: GroupCommitter,
  ) {
    this.db = pool;
    this.database = new Database(pool);
  }

  /** Throws unless the database answers, on the pool and on the committer's connection. */
  async check(): Promise<void> {
    await Promise.all([this.db.query('select 1'), this.committer.check()]);
  }
}
