export { type CallbackRow } from './callback.repository.js';
export { Database, type Queryable } from './database.js';
export {
  type ClaimedDelegation,
  type DelegationKey,
  type DelegationLease,
  type DelegationOutcome,
  type DelegationPause,
  DelegationState,
  type NewDelegation,
} from './delegation.repository.js';
export { DatabaseUnavailableError } from './database-error.js';
export { type DeliveryState, DELIVERY_STATES } from './delivery-state.js';
export { GroupCommitter } from './group-committer.js';
export { type IdempotencyRecord, type IdempotencyScope } from './idempotency.repository.js';
export { leaseKey } from './lease.repository.js';
export { migrate, MigrationBlockedError } from './migrate.js';
export {
  type AttemptRow,
  type DeliveryFilter,
  type DeliveryKey,
  type DeliveryRow,
} from './operated-delivery.repository.js';
export {
  type EndpointRow,
  type WebhookFilter,
  type WebhookPosition,
  type WebhookRow,
} from './operated-webhook.repository.js';
export {
  type CallPlace,
  type OperatorFilter,
  type OperatorRow,
  type RecordSummary,
  type WaitKind,
  WAITS,
} from './operator.repository.js';
export { type DueLane, type Lane, type OutboxJob } from './outbox.repository.js';
export {
  type NewPushConfig,
  type PushConfigKey,
  type PushConfigRow,
  type PushSettings,
} from './push-config.repository.js';
export {
  DeliveryCode,
  type LaneCourse,
  type LaneStep,
  type PushAttempt,
  type PushDelivery,
  type PushResult,
  type PushWork,
  type StepOutcome,
} from './push-delivery.repository.js';
export { type BreakerTerms, type EndpointFailures, type EndpointHealth } from './push-endpoint.repository.js';
export {
  type PushEndpointKey,
  type PushEndpointView,
  type PushLaneKey,
  type PushLease,
  type PushUnderWay,
} from './push-lane.repository.js';
export { type LaneRow, type ResendRow } from './push-repair.repository.js';
export { checkSchema, SchemaOutdatedError } from './schema-check.js';
export { type NewSigningKey, type SigningKeyRow, SigningKeyRepository } from './signing-key.repository.js';
export { type NewSignal, type SignalInbox, type WaitingSignal } from './signal.repository.js';
export { type RecordPlace } from './result.repository.js';
export { Store } from './store.js';
export { type LogPosition, type StoredEvent, type StoredMessage } from './task-log.repository.js';
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
  SignalPendingError,
  TaskIdTakenError,
} from './writes.js';
