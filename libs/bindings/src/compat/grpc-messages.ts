import { create, fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import {
  A2AError,
  type Artifact,
  type Message,
  MessageSchema,
  type Part,
  PartSchema,
  type SendMessageResponse,
  type StreamResponse,
  type Task,
  type TaskArtifactUpdateEvent,
  type TaskStatus,
  type TaskStatusUpdateEvent,
  v03,
} from '#protocol';
import { isFinal } from './json-results.js';

/** A client's message of package a2a.v1 as 1.0 has it. Throws A2AError INVALID_PARAMS for a part that says nothing. */
export function messageFrom03(message: v03.Message): Message {
  const { messageId, contextId, taskId, role, content, metadata, extensions } = message;
  const parts = content.map((part, index) => partFrom03(part, `message.content[${index}]`));
  const fields = { messageId, contextId, taskId, metadata, extensions };
  return create(MessageSchema, { ...fields, role: role as number, parts });
}

function partFrom03({ part }: v03.Part, path: string): Part {
  switch (part.case) {
    case 'text':
      return create(PartSchema, { content: part });
    case 'file':
      return filePartFrom03(part.value, path);
    case 'data':
      return create(PartSchema, { content: { case: 'data', value: fromJson(ValueSchema, part.value.data ?? {}) } });
    default:
      throw A2AError.invalidParams(path, 'must have one of text, file and data');
  }
}

function filePartFrom03({ file, mimeType }: v03.FilePart, path: string): Part {
  switch (file.case) {
    case 'fileWithUri':
      return create(PartSchema, { content: { case: 'url', value: file.value }, mediaType: mimeType });
    case 'fileWithBytes':
      return create(PartSchema, { content: { case: 'raw', value: file.value }, mediaType: mimeType });
    default:
      throw A2AError.invalidParams(`${path}.file`, 'must have one of fileWithUri and fileWithBytes');
  }
}

/**
 * A message as package a2a.v1 has it. What that has no field for is left out: the other tasks it refers to, and of its parts
 * the metadata, the file's name, and the media type of text and data.
 */
export function messageTo03({ messageId, contextId, taskId, role, metadata, extensions, parts }: Message): v03.Message {
  const content = parts.map(partTo03);
  const fields = { messageId, contextId, taskId, metadata, extensions };
  return create(v03.MessageSchema, { ...fields, role: role as number, content });
}

function partTo03({ content, mediaType }: Part): v03.Part {
  switch (content.case) {
    case 'url':
      return filePartTo03({ case: 'fileWithUri', value: content.value }, mediaType);
    case 'raw':
      return filePartTo03({ case: 'fileWithBytes', value: content.value }, mediaType);
    case 'data': {
      const data = create(v03.DataPartSchema, { data: objectOf(toJson(ValueSchema, content.value)) });
      return create(v03.PartSchema, { part: { case: 'data', value: data } });
    }
    default:
      return create(v03.PartSchema, { part: content });
  }
}

function filePartTo03(file: v03.FilePart['file'], mimeType: string): v03.Part {
  return create(v03.PartSchema, { part: { case: 'file', value: create(v03.FilePartSchema, { file, mimeType }) } });
}

/** Data is an object in 0.3; any other value stands in one, as its `value`. */
function objectOf(json: JsonValue): JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : { value: json };
}

/** A task as package a2a.v1 has it. */
export function taskTo03({ id, contextId, status, artifacts, history, metadata }: Task): v03.Task {
  return create(v03.TaskSchema, {
    ...{ id, contextId, metadata },
    status: status && statusTo03(status),
    artifacts: artifacts.map(artifactTo03),
    history: history.map(messageTo03),
  });
}

function statusTo03({ state, message, timestamp }: TaskStatus): v03.TaskStatus {
  const update = message && messageTo03(message);
  // The states have the same numbers in both versions.
  return create(v03.TaskStatusSchema, { state: state as number, update, timestamp });
}

function artifactTo03({ artifactId, name, description, parts, metadata, extensions }: Artifact): v03.Artifact {
  const fields = { artifactId, name, description, metadata, extensions };
  return create(v03.ArtifactSchema, { ...fields, parts: parts.map(partTo03) });
}

/** What SendMessage answers, as package a2a.v1 has it. */
export function sendMessageResponseTo03({ payload }: SendMessageResponse): v03.SendMessageResponse {
  return create(v03.SendMessageResponseSchema, { payload: wholeTo03(payload) });
}

/** One document of a stream as package a2a.v1 has it. */
export function streamResponseTo03({ payload }: StreamResponse): v03.StreamResponse {
  return create(v03.StreamResponseSchema, { payload: eventTo03(payload) });
}

function eventTo03(payload: StreamResponse['payload']): v03.StreamResponse['payload'] {
  switch (payload.case) {
    case 'statusUpdate':
      return { case: 'statusUpdate', value: statusUpdateTo03(payload.value) };
    case 'artifactUpdate':
      return { case: 'artifactUpdate', value: artifactUpdateTo03(payload.value) };
    default:
      return wholeTo03(payload);
  }
}

function wholeTo03(payload: SendMessageResponse['payload']): v03.SendMessageResponse['payload'] {
  switch (payload.case) {
    case 'task':
      return { case: 'task', value: taskTo03(payload.value) };
    case 'message':
      return { case: 'msg', value: messageTo03(payload.value) };
    default:
      return payload;
  }
}

function statusUpdateTo03({ taskId, contextId, status, metadata }: TaskStatusUpdateEvent): v03.TaskStatusUpdateEvent {
  return create(v03.TaskStatusUpdateEventSchema, {
    ...{ taskId, contextId, metadata },
    status: status && statusTo03(status),
    final: isFinal(status),
  });
}

function artifactUpdateTo03(event: TaskArtifactUpdateEvent): v03.TaskArtifactUpdateEvent {
  const { taskId, contextId, artifact, append, lastChunk, metadata } = event;
  return create(v03.TaskArtifactUpdateEventSchema, {
    ...{ taskId, contextId, append, lastChunk, metadata },
    artifact: artifact && artifactTo03(artifact),
  });
}
