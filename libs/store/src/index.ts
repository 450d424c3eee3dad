export { Database, type Queryable } from './database.js';
export { GroupCommitter } from './group-committer.js';
export { type IdempotencyRecord, type IdempotencyScope } from './idempotency.repository.js';
export { leaseKey } from './lease.repository.js';
export { migrate } from './migrate.js';
export { type OutboxJob } from './outbox.repository.js';
export { type NewSigningKey, type SigningKeyRow, SigningKeyRepository } from './signing-key.repository.js';
export { Store } from './store.js';
export { type StoredEvent, type StoredMessage } from './task-log.repository.js';
export { type TaskCursor, type TaskFilter } from './task.repository.js';
export { type Lease, type TaskKey, type TaskRow, type WholeTaskRow } from './task.row.js';
export {
  type AppendWrite,
  CommitterBusyError,
  type CreateWrite,
  IdempotencyKeyTakenError,
  InputPendingError,
  type JournalRecord,
  LeaseLostError,
  TaskIdTakenError,
} from './writes.js';
