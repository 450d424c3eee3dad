import { type JsonObject } from '@bufbuild/protobuf';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type Artifact,
  isTerminal,
  type ListTaskPushNotificationConfigsResponse,
  type Message,
  Role,
  type SendMessageResponse,
  type StreamResponse,
  type Task,
  type TaskArtifactUpdateEvent,
  type TaskPushNotificationConfig,
  TaskState,
  type TaskStatus,
  type TaskStatusUpdateEvent,
} from '#protocol';
import { partTo } from './json-parts.js';

// Results and events of 1.0 as 0.3 has them (its types.ts). Members that are optional there are left out where they say nothing.

/** What a send gives: the task or the message itself. */
export function sendResultTo({ payload }: SendMessageResponse): JsonObject {
  return payload.case === 'message' ? messageTo(payload.value) : taskTo(payload.value!);
}

/** One event of a stream. */
export function streamResultTo({ payload }: StreamResponse): JsonObject {
  switch (payload.case) {
    case 'statusUpdate':
      return statusUpdateTo(payload.value);
    case 'artifactUpdate':
      return artifactUpdateTo(payload.value);
    case 'message':
      return messageTo(payload.value);
    default:
      return taskTo(payload.value!);
  }
}

export function taskTo({ id, contextId, status, history, artifacts, metadata }: Task): JsonObject {
  return {
    kind: 'task',
    id,
    contextId,
    status: statusTo(status),
    ...(history.length > 0 && { history: history.map(messageTo) }),
    ...(artifacts.length > 0 && { artifacts: artifacts.map(artifactTo) }),
    ...(metadata && { metadata }),
  };
}

export function messageTo(message: Message): JsonObject {
  const { messageId, role, parts, contextId, taskId, metadata, extensions, referenceTaskIds } = message;
  return {
    kind: 'message',
    messageId,
    role: roleTo(role),
    parts: parts.map((part) => partTo(part, 'kind')),
    ...(contextId !== '' && { contextId }),
    ...(taskId !== '' && { taskId }),
    ...(metadata && { metadata }),
    ...(extensions.length > 0 && { extensions }),
    ...(referenceTaskIds.length > 0 && { referenceTaskIds }),
  };
}

function statusTo(status: TaskStatus | undefined): JsonObject {
  if (!status) return { state: 'unknown' };
  const { state, message, timestamp } = status;
  return {
    state: stateTo(state),
    ...(message && { message: messageTo(message) }),
    ...(timestamp && { timestamp: timeTo(timestamp) }),
  };
}

function artifactTo({ artifactId, name, description, parts, metadata, extensions }: Artifact): JsonObject {
  return {
    artifactId,
    ...(name !== '' && { name }),
    ...(description !== '' && { description }),
    parts: parts.map((part) => partTo(part, 'kind')),
    ...(metadata && { metadata }),
    ...(extensions.length > 0 && { extensions }),
  };
}

function statusUpdateTo({ taskId, contextId, status, metadata }: TaskStatusUpdateEvent): JsonObject {
  return {
    kind: 'status-update',
    taskId,
    contextId,
    status: statusTo(status),
    final: isFinal(status),
    ...(metadata && { metadata }),
  };
}

function artifactUpdateTo(event: TaskArtifactUpdateEvent): JsonObject {
  const { taskId, contextId, artifact, append, lastChunk, metadata } = event;
  return {
    kind: 'artifact-update',
    taskId,
    contextId,
    artifact: artifact ? artifactTo(artifact) : {},
    append,
    lastChunk,
    ...(metadata && { metadata }),
  };
}

/** A task's webhook: `{ taskId, pushNotificationConfig }`. */
export function pushConfigTo({ taskId, id, url, token, authentication }: TaskPushNotificationConfig): JsonObject {
  return {
    taskId,
    pushNotificationConfig: {
      ...(id !== '' && { id }),
      url,
      ...(token !== '' && { token }),
      ...(authentication && {
        authentication: {
          schemes: [authentication.scheme],
          ...(authentication.credentials !== '' && { credentials: authentication.credentials }),
        },
      }),
    },
  };
}

export function pushConfigsTo({ configs }: ListTaskPushNotificationConfigsResponse): JsonObject[] {
  return configs.map(pushConfigTo);
}

/** The text of a state. The numbers of the protocol have names of their own in 0.3. */
export function stateTo(state: TaskState): string {
  return STATES[state] ?? 'unknown';
}

const STATES: Readonly<Record<TaskState, string>> = {
  [TaskState.UNSPECIFIED]: 'unknown',
  [TaskState.SUBMITTED]: 'submitted',
  [TaskState.WORKING]: 'working',
  [TaskState.COMPLETED]: 'completed',
  [TaskState.FAILED]: 'failed',
  [TaskState.CANCELED]: 'canceled',
  [TaskState.INPUT_REQUIRED]: 'input-required',
  [TaskState.REJECTED]: 'rejected',
  [TaskState.AUTH_REQUIRED]: 'auth-required',
};

export function roleTo(role: Role): string {
  return role === Role.USER ? 'user' : 'agent';
}

/** ISO 8601 in UTC with three fractional digits. */
export function timeTo(timestamp: Timestamp): string {
  return timestampDate(timestamp).toISOString();
}

/** Whether a status ends its stream; while an authorisation is awaited it stays open. */
export function isFinal(status: TaskStatus | undefined): boolean {
  return status !== undefined && (isTerminal(status.state) || status.state === TaskState.INPUT_REQUIRED);
}
