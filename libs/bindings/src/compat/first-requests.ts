import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  type Message,
  MessageSchema,
  type SendMessageRequest,
  SendMessageRequestSchema,
  SendMessageConfigurationSchema,
  type TaskPushNotificationConfig,
} from '#protocol';
import { type JsonField } from './json-field.js';
import { partFrom } from './json-parts.js';
import { metadataOf, pushConfigFrom, roleFrom } from './json-requests.js';

// The params of the first dialect (A2A of spring 2025, before 0.2) as requests of 1.0. All throw A2AError INVALID_PARAMS that names
// the field as that dialect does. The task's id, which is the client's own, is not in the request: see `clientTaskId`.

/** The longest name by which notifications call a task, in characters: it is kept with the webhook. */
const MAX_NAME_LENGTH = 1_024;

/** Waits for the task, as the dialect has no word for anything else. */
export function sendTaskFrom(params: JsonField): SendMessageRequest {
  return create(SendMessageRequestSchema, {
    message: messageFrom(params),
    configuration: create(SendMessageConfigurationSchema, {
      taskPushNotificationConfig: params
        .member('pushNotification')
        .optional((config) => namedPushConfig(params, config)),
      historyLength: params.member('historyLength').optional((length) => length.count()) ?? 0,
    }),
    metadata: metadataOf(params),
  });
}

/** Messages have no ids in this dialect, so each gets one. */
function messageFrom(params: JsonField): Message {
  const message = params.member('message');
  const parts = message.member('parts');
  const read = parts.list((part) => partFrom(part, 'type'));
  if (read.length === 0) throw parts.violation('must have at least one element');
  return create(MessageSchema, {
    messageId: randomUUID(),
    contextId: params.member('sessionId').optional((session) => session.text()),
    role: roleFrom(message),
    parts: read,
    metadata: metadataOf(message),
  });
}

export function setTaskPushFrom(params: JsonField): TaskPushNotificationConfig {
  const config = namedPushConfig(params, params.member('pushNotificationConfig'));
  config.taskId = params.member('id').name();
  return config;
}

function namedPushConfig(params: JsonField, config: JsonField): TaskPushNotificationConfig {
  if (params.member('id').text().length > MAX_NAME_LENGTH) {
    throw params.violation(`must be at most ${MAX_NAME_LENGTH} characters where the task has a webhook`, 'id');
  }
  return pushConfigFrom(config);
}
