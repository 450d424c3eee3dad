export { Tasks } from './tasks.js';
export { artifactOf, assertText, InvalidOutputError, metadataOf, outputParts, partsOf } from './agent-output.js';
export { type CallRequest, type ClaimedRun, type RunInput, RunLoader } from './claimed-run.js';
export {
  delegatedMetadata,
  DELEGATION_KEY,
  delegationDepth,
  type DelegationOrigin,
  isDelegated,
} from './delegation-metadata.js';
export { deliveryId, type DeliveryName, deliveryOf } from './delivery-id.js';
export { EagerStart, type LocalWorker, type ReservedSlot } from './eager-start.js';
export { OverLimitError } from './over-limit-error.js';
export { type RunLimits, RunWriter } from './run-writer.js';
export { DELEGATION_SIGNALS, delegationSignal, TaskDelegations } from './task-delegations.js';
export { agentMessage, artifactEvent, statusEvent, taskStatus, workingEvent } from './task-events.js';
export { ABORT_SIGNALS, OUTBOX_SIGNALS, TaskJournal } from './task-journal.js';
export { isTaskId } from './send-request.js';
export { placeOf, placeText } from './journal-place.js';
export {
  type ActionReport,
  type OperatedEvent,
  type OperatedRecord,
  type OperatedTask,
  type OperatorAction,
  type OperatorFilter,
  type Page,
  type Selection,
  TaskOperator,
  WAITS,
} from './task-operator.js';
export { type FirstCall, type Repair } from './task-repair.js';
export {
  type DeliveredSignal,
  isSignalName,
  SIGNAL_NAME_RULE,
  TASK_SIGNALS,
  type TaskSignal,
  TaskSignals,
} from './task-signals.js';
export { CALLBACK_PATH, CALLBACK_SIGNALS, type CallbackAddress, TaskCallbacks } from './task-callbacks.js';
export { TaskStreams } from './task-streams.js';
export { topicKey } from './topic-key.js';
export { PushArrivals } from './push-arrivals.js';
export { PUSH_ABORT_SIGNALS, PushConfigs } from './push-configs.js';
export { type OpenedPushConfig, openPushConfig } from './push-secrets.js';
export { TaskSubmission } from './task-submission.js';
export { TaskService } from './task.service.js';
export { TaskViews } from './task-view.js';
export { WebhookNotFoundError } from './webhook-not-found-error.js';
export {
  type DeliveryFilter,
  type DeliveryKey,
  DELIVERY_STATES,
  type OperatedAttempt,
  type OperatedDelivery,
  type OperatedDeliveryLog,
  type OperatedEndpoint,
  type OperatedWebhook,
  type WebhookFilter,
  WebhookOperator,
  type WebhookPosition,
} from './webhook-operator.js';
export { type ResendReport, WebhookRepair } from './webhook-repair.js';
