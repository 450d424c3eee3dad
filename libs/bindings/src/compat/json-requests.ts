import { create } from '@bufbuild/protobuf';
import {
  type AuthenticationInfo,
  AuthenticationInfoSchema,
  type CancelTaskRequest,
  CancelTaskRequestSchema,
  type DeleteTaskPushNotificationConfigRequest,
  DeleteTaskPushNotificationConfigRequestSchema,
  type GetExtendedAgentCardRequest,
  GetExtendedAgentCardRequestSchema,
  type GetTaskPushNotificationConfigRequest,
  GetTaskPushNotificationConfigRequestSchema,
  type GetTaskRequest,
  GetTaskRequestSchema,
  type ListTaskPushNotificationConfigsRequest,
  ListTaskPushNotificationConfigsRequestSchema,
  type Message,
  MessageSchema,
  Role,
  type SendMessageConfiguration,
  SendMessageConfigurationSchema,
  type SendMessageRequest,
  SendMessageRequestSchema,
  type SubscribeToTaskRequest,
  SubscribeToTaskRequestSchema,
  type TaskPushNotificationConfig,
  TaskPushNotificationConfigSchema,
} from '#protocol';
import { type JsonField } from './json-field.js';
import { partFrom } from './json-parts.js';

// The params of 0.3's methods (its types.ts) as requests of 1.0. All throw A2AError INVALID_PARAMS that names the field as 0.3 does.

export function sendMessageFrom(params: JsonField): SendMessageRequest {
  return create(SendMessageRequestSchema, {
    message: messageFrom(params.member('message')),
    configuration: params.member('configuration').optional(configurationFrom),
    metadata: metadataOf(params),
  });
}

function messageFrom(message: JsonField): Message {
  message.member('kind').optional((kind) => kind.choice(['message']));
  const parts = message.member('parts');
  const read = parts.list((part) => partFrom(part, 'kind'));
  if (read.length === 0) throw parts.violation('must have at least one element');
  return create(MessageSchema, {
    messageId: message.member('messageId').name(),
    role: roleFrom(message),
    contextId: textOf(message, 'contextId'),
    taskId: textOf(message, 'taskId'),
    parts: read,
    metadata: metadataOf(message),
    extensions: textsOf(message, 'extensions'),
    referenceTaskIds: textsOf(message, 'referenceTaskIds'),
  });
}

/** The role of a client's message: whatever another may be, it is refused. */
export function roleFrom(message: JsonField): Role {
  const role = message.member('role');
  if (role.choice(['user', 'agent']) === 'agent') throw role.violation('must be user in a message from a client');
  return Role.USER;
}

/** Whoever does not speak of `blocking` waits: so the SDKs of 0.3 read it, whose specification leaves it open. */
function configurationFrom(configuration: JsonField): SendMessageConfiguration {
  return create(SendMessageConfigurationSchema, {
    acceptedOutputModes: textsOf(configuration, 'acceptedOutputModes'),
    taskPushNotificationConfig: configuration.member('pushNotificationConfig').optional(pushConfigFrom),
    historyLength: configuration.member('historyLength').optional((length) => length.count()),
    returnImmediately: configuration.member('blocking').optional((blocking) => blocking.flag()) === false,
  });
}

export function getTaskFrom(params: JsonField): GetTaskRequest {
  return create(GetTaskRequestSchema, {
    id: params.member('id').name(),
    historyLength: params.member('historyLength').optional((length) => length.count()),
  });
}

export function cancelTaskFrom(params: JsonField): CancelTaskRequest {
  return create(CancelTaskRequestSchema, { id: params.member('id').name(), metadata: metadataOf(params) });
}

export function subscribeFrom(params: JsonField): SubscribeToTaskRequest {
  return create(SubscribeToTaskRequestSchema, { id: params.member('id').name() });
}

export function setPushConfigFrom(params: JsonField): TaskPushNotificationConfig {
  const config = pushConfigFrom(params.member('pushNotificationConfig'));
  config.taskId = params.member('taskId').name();
  return config;
}

/** The id may be missing, as it was before there could be several; the task's only config is meant then. */
export function getPushConfigFrom(params: JsonField): GetTaskPushNotificationConfigRequest {
  const id = params.member('pushNotificationConfigId').optional((field) => field.name());
  return create(GetTaskPushNotificationConfigRequestSchema, { taskId: params.member('id').name(), id });
}

export function listPushConfigsFrom(params: JsonField): ListTaskPushNotificationConfigsRequest {
  return create(ListTaskPushNotificationConfigsRequestSchema, { taskId: params.member('id').name() });
}

export function deletePushConfigFrom(params: JsonField): DeleteTaskPushNotificationConfigRequest {
  return create(DeleteTaskPushNotificationConfigRequestSchema, {
    taskId: params.member('id').name(),
    id: params.member('pushNotificationConfigId').name(),
  });
}

/** The method has no params. */
export function extendedCardFrom(): GetExtendedAgentCardRequest {
  return create(GetExtendedAgentCardRequestSchema);
}

/** A webhook: `{ id?, url, token?, authentication? }`. */
export function pushConfigFrom(config: JsonField): TaskPushNotificationConfig {
  return create(TaskPushNotificationConfigSchema, {
    id: textOf(config, 'id'),
    url: config.member('url').name(),
    token: textOf(config, 'token'),
    authentication: config.member('authentication').optional(authenticationFrom),
  });
}

/** Of several schemes the first is taken: a notification authenticates by one. */
function authenticationFrom(authentication: JsonField): AuthenticationInfo {
  const schemes = authentication.member('schemes');
  const [scheme] = schemes.list((one) => one.name());
  if (scheme === undefined) throw schemes.violation('must have at least one element');
  return create(AuthenticationInfoSchema, { scheme, credentials: textOf(authentication, 'credentials') });
}

export function metadataOf(field: JsonField) {
  return field.member('metadata').optional((metadata) => metadata.object());
}

function textOf(field: JsonField, name: string): string | undefined {
  return field.member(name).optional((member) => member.text());
}

function textsOf(field: JsonField, name: string): string[] | undefined {
  return field.member(name).optional((member) => member.list((element) => element.text()));
}
