import { randomUUID } from 'node:crypto';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type Artifact,
  type Message,
  MessageSchema,
  type Part,
  Role,
  type StreamResponse,
  StreamResponseSchema,
  type Task,
  TaskState,
  type TaskStatus,
  TaskStatusSchema,
} from '#protocol';

/** Names a task inside its conversation, as every event does. */
export interface EventSubject {
  readonly taskId: string;
  readonly contextId: string;
}

/** The event that opens a task's log. */
export function taskEvent(task: Task): StreamResponse {
  return create(StreamResponseSchema, { payload: { case: 'task', value: task } });
}

/** A status update. */
export function statusEvent({ taskId, contextId }: EventSubject, status: TaskStatus): StreamResponse {
  return create(StreamResponseSchema, { payload: { case: 'statusUpdate', value: { taskId, contextId, status } } });
}

/** The status update of a run that begins, or goes on after a question. */
export function workingEvent(subject: EventSubject, at: Date): StreamResponse {
  return statusEvent(subject, taskStatus(TaskState.WORKING, at));
}

/** One chunk of an artifact. */
export function artifactEvent(
  { taskId, contextId }: EventSubject,
  artifact: Artifact,
  flags: { readonly append: boolean; readonly lastChunk: boolean },
): StreamResponse {
  const value = { taskId, contextId, artifact, ...flags };
  return create(StreamResponseSchema, { payload: { case: 'artifactUpdate', value } });
}

/** The answer of an agent that made no task. */
export function messageEvent(message: Message): StreamResponse {
  return create(StreamResponseSchema, { payload: { case: 'message', value: message } });
}

/** A status as of `at`. */
export function taskStatus(state: TaskState, at: Date, message?: Message): TaskStatus {
  return create(TaskStatusSchema, { state, timestamp: timestampFromDate(at), message });
}

/** A message of the agent in a task. */
export function agentMessage(subject: EventSubject, parts: Part[], metadata?: JsonObject): Message {
  const { taskId, contextId } = subject;
  return create(MessageSchema, { messageId: randomUUID(), role: Role.AGENT, taskId, contextId, parts, metadata });
}

/** The state an event leads to, where it tells of one. */
export function stateOf({ payload }: StreamResponse): TaskState | undefined {
  if (payload.case === 'task' || payload.case === 'statusUpdate') return payload.value.status?.state;
  return undefined;
}
