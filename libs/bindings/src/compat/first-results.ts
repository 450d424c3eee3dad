import { type JsonObject } from '@bufbuild/protobuf';
import {
  type Artifact,
  type Message,
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
import { isFinal, pushConfigTo, roleTo, stateTo, timeTo } from './json-results.js';

// Results and events of 1.0 as the first dialect has them. `id` is what the client calls the task.

/** What a send gives. There are no bare messages in this dialect: one is a task that has completed with it. */
export function firstSendResult({ payload }: SendMessageResponse, id: string): JsonObject {
  return payload.case === 'message' ? answeredTask(payload.value, id) : firstTask(payload.value!, id);
}

function answeredTask(message: Message, id: string): JsonObject {
  const { contextId } = message;
  return { id, ...(contextId !== '' && { sessionId: contextId }), status: answeredStatus(message) };
}

function answeredStatus(message: Message): JsonObject {
  return { state: 'completed', message: firstMessage(message), timestamp: new Date().toISOString() };
}

/** Writes the events of one stream. Artifacts go by their index in the task, which the stream's first event tells. */
export class FirstStream {
  private readonly indices = new Map<string, number>();

  constructor(private readonly id: string) {}

  /** A status, or a piece of an artifact. A whole task, which this dialect does not send, counts as its status. */
  event({ payload }: StreamResponse): JsonObject {
    const { id } = this;
    switch (payload.case) {
      case 'artifactUpdate':
        return this.artifact(payload.value);
      case 'message':
        return { id, status: answeredStatus(payload.value), final: true };
      case 'task':
        for (const { artifactId } of payload.value.artifacts) this.indexOf(artifactId);
        return this.status(payload.value);
      default:
        return this.status(payload.value);
    }
  }

  private status(update: Pick<TaskStatusUpdateEvent, 'status' | 'metadata'> | undefined): JsonObject {
    const { status, metadata } = update ?? {};
    return { id: this.id, status: firstStatus(status), final: isFinal(status), ...(metadata && { metadata }) };
  }

  private artifact({ artifact, append, lastChunk, metadata }: TaskArtifactUpdateEvent): JsonObject {
    const piece = artifact ? firstArtifact(artifact, this.indexOf(artifact.artifactId)) : {};
    return { id: this.id, artifact: { ...piece, append, lastChunk }, ...(metadata && { metadata }) };
  }

  private indexOf(artifactId: string): number {
    const index = this.indices.get(artifactId) ?? this.indices.size;
    this.indices.set(artifactId, index);
    return index;
  }
}

export function firstTask({ contextId, status, artifacts, history, metadata }: Task, id: string): JsonObject {
  return {
    id,
    sessionId: contextId,
    status: firstStatus(status),
    ...(artifacts.length > 0 && { artifacts: artifacts.map((artifact, index) => firstArtifact(artifact, index)) }),
    ...(history.length > 0 && { history: history.map(firstMessage) }),
    ...(metadata && { metadata }),
  };
}

function firstMessage({ role, parts, metadata }: Message): JsonObject {
  return { role: roleTo(role), parts: parts.map((part) => partTo(part, 'type')), ...(metadata && { metadata }) };
}

function firstStatus(status: TaskStatus | undefined): JsonObject {
  if (!status) return { state: 'unknown' };
  const { state, message, timestamp } = status;
  return {
    state: firstState(state),
    ...(message && { message: firstMessage(message) }),
    ...(timestamp && { timestamp: timeTo(timestamp) }),
  };
}

/** Rejection and the wait for an authorisation came later: a rejected task has failed, and one that waits wants something. */
function firstState(state: TaskState): string {
  if (state === TaskState.REJECTED) return 'failed';
  return stateTo(state === TaskState.AUTH_REQUIRED ? TaskState.INPUT_REQUIRED : state);
}

function firstArtifact({ name, description, parts, metadata }: Artifact, index: number): JsonObject {
  return {
    ...(name !== '' && { name }),
    ...(description !== '' && { description }),
    parts: parts.map((part) => partTo(part, 'type')),
    index,
    ...(metadata && { metadata }),
  };
}

/** A task's webhook: `{ id, pushNotificationConfig }`. */
export function firstPushConfig(config: TaskPushNotificationConfig, id: string): JsonObject {
  return { id, pushNotificationConfig: pushConfigTo(config).pushNotificationConfig ?? {} };
}
