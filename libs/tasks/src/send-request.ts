import { type Agent, canPush, SCHEDULING_EXTENSION } from '#agents';
import { type Config } from '#platform';
import {
  A2AError,
  type CallContext,
  type FieldViolation,
  jsonText,
  type Message,
  messageViolations,
  type SendMessageRequest,
  SendMessageRequestSchema,
} from '#protocol';
import { createHash } from 'node:crypto';
import { type CallRequest } from './claimed-run.js';
import { type CheckedPushConfig } from './push-config-check.js';
import { type PushConfigs } from './push-configs.js';
import { type IdempotencyClaim } from './task-journal.js';
import { taskNotFound } from './task-not-found.js';
import { taskPriority } from './task-priority.js';
import { type TaskSchedule, taskSchedule } from './task-schedule.js';

/** A checked SendMessage or SendStreamingMessage. */
export interface SendRequest {
  readonly message: Message;
  readonly call: CallRequest;
  readonly historyLength: number | undefined;
  readonly returnImmediately: boolean;
  readonly idempotency: IdempotencyClaim | null;
  readonly schedule: TaskSchedule;
  /** 0 high, 1 normal, 2 low; undefined where the caller leaves it open. */
  readonly priority: number | undefined;
  /** The webhook that is to be told of the task. */
  readonly push: CheckedPushConfig | undefined;
}

/** Whether the caller says when the task is to begin or to have ended. */
export function namesTimes({ metadata }: SendMessageRequest): boolean {
  return metadata?.[SCHEDULING_EXTENSION.uri] !== undefined;
}

/**
 * Checks what a caller sends to an agent.
 * @param now what its times are counted from, in milliseconds since 1970.
 * @throws A2AError INVALID_PARAMS naming the fields, CONTENT_TYPE_NOT_SUPPORTED, PUSH_NOTIFICATION_NOT_SUPPORTED, TASK_NOT_FOUND.
 */
export function checkSend(
  request: SendMessageRequest,
  context: CallContext,
  agent: Agent,
  { config, pushConfigs }: { readonly config: Pick<Config, 'maxPartsPerMessage'>; readonly pushConfigs: PushConfigs },
  now?: number,
): SendRequest {
  const { message, configuration, metadata } = request;
  if (!message) throw A2AError.invalidParams('message', 'is required');
  const violations = messageViolations(message, 'message');
  if (message.parts.length > config.maxPartsPerMessage)
    violations.push(tooManyParts(message, config.maxPartsPerMessage));
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  assertMediaTypes(message, agent);
  if (message.taskId !== '' && !isTaskId(message.taskId)) throw taskNotFound(message.taskId);
  const webhook = configuration?.taskPushNotificationConfig;
  if (webhook) assertPushes(agent);
  return {
    message,
    push: webhook && pushConfigs.check(webhook, 'configuration.taskPushNotificationConfig', context),
    call: { metadata: metadata ?? {}, extensions: context.extensions, traceparent: context.traceparent },
    historyLength: checkHistoryLength(configuration?.historyLength, 'configuration.historyLength'),
    returnImmediately: configuration?.returnImmediately ?? false,
    idempotency: idempotencyClaim(request, context),
    schedule: taskSchedule(metadata, now),
    priority: taskPriority(metadata),
  };
}

/** @throws A2AError PUSH_NOTIFICATION_NOT_SUPPORTED. */
export function assertPushes(agent: Agent): void {
  if (!canPush(agent)) throw new A2AError('PUSH_NOTIFICATION_NOT_SUPPORTED');
}

/** Task ids are UUIDs of this server's making: any other text names no task. */
export function isTaskId(id: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id);
}

/** The number of messages a caller wants to see. */
export function checkHistoryLength(length: number | undefined, field: string): number | undefined {
  if (length !== undefined && length < 0) throw A2AError.invalidParams(field, 'must not be negative');
  return length;
}

function tooManyParts(message: Message, limit: number): FieldViolation {
  return { field: 'message.parts', description: `has ${message.parts.length} parts; the limit is ${limit}` };
}

function assertMediaTypes(message: Message, { card }: Agent): void {
  const accepted = [
    ...(card.defaultInputModes ?? ['text/plain']),
    ...card.skills.flatMap((skill) => skill.inputModes ?? []),
  ];
  const refused = message.parts.find(
    (part) => part.mediaType !== '' && !accepted.some((mode) => matches(mode, part.mediaType)),
  );
  if (!refused) return;
  const metadata = { mediaType: refused.mediaType, accepted: accepted.join(', ') };
  throw new A2AError('CONTENT_TYPE_NOT_SUPPORTED', {
    message: `The agent does not take parts of type ${refused.mediaType}; it takes ${metadata.accepted}`,
    metadata,
  });
}

/** Whether a media type falls under an accepted one, which may be a range: `text/*`. Parameters play no part. */
function matches(mode: string, mediaType: string): boolean {
  const accepted = essence(mode);
  const given = essence(mediaType);
  if (accepted === '*/*' || accepted === '*' || accepted === given) return true;
  return accepted.endsWith('/*') && given.startsWith(accepted.slice(0, -1));
}

function essence(mediaType: string): string {
  return (mediaType.split(';')[0] ?? '').trim().toLowerCase();
}

function idempotencyClaim(request: SendMessageRequest, { idempotencyKey }: CallContext): IdempotencyClaim | null {
  if (idempotencyKey === undefined) return null;
  // Where the request goes is part of the key's scope, and stands in the URL on one binding and in the field on another.
  const text = jsonText(SendMessageRequestSchema, { ...request, tenant: '' });
  const requestHash = createHash('sha256').update(text).digest('base64url');
  return { key: idempotencyKey, requestHash };
}
