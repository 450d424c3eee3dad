import { create } from '@bufbuild/protobuf';
import {
  A2AError,
  type CancelTaskRequest,
  CancelTaskRequestSchema,
  type DeleteTaskPushNotificationConfigRequest,
  DeleteTaskPushNotificationConfigRequestSchema,
  type GetTaskPushNotificationConfigRequest,
  GetTaskPushNotificationConfigRequestSchema,
  type GetTaskRequest,
  GetTaskRequestSchema,
  type ListTaskPushNotificationConfigsRequest,
  ListTaskPushNotificationConfigsRequestSchema,
  type ListTaskPushNotificationConfigsResponse,
  type SendMessageConfiguration,
  SendMessageConfigurationSchema,
  type SendMessageRequest,
  SendMessageRequestSchema,
  type SubscribeToTaskRequest,
  SubscribeToTaskRequestSchema,
  type TaskPushNotificationConfig,
  TaskPushNotificationConfigSchema,
  v03,
} from '#protocol';
import { messageFrom03 } from './grpc-messages.js';

// The requests of package a2a.v1 as 1.0 has them. All throw A2AError INVALID_PARAMS for a resource name that is none.

/** Without a configuration the call waits for the task, as 0.3 says of the method; a configuration decides for itself. */
export function sendMessageFrom03({ request, configuration, metadata }: v03.SendMessageRequest): SendMessageRequest {
  return create(SendMessageRequestSchema, {
    message: request && messageFrom03(request),
    configuration: configuration && configurationFrom03(configuration),
    metadata,
  });
}

function configurationFrom03(configuration: v03.SendMessageConfiguration): SendMessageConfiguration {
  const { acceptedOutputModes, pushNotification, historyLength, blocking } = configuration;
  return create(SendMessageConfigurationSchema, {
    acceptedOutputModes,
    taskPushNotificationConfig: pushNotification && pushConfigFrom03(pushNotification),
    historyLength: limitFrom03(historyLength),
    returnImmediately: !blocking,
  });
}

export function getTaskFrom03({ name, historyLength }: v03.GetTaskRequest): GetTaskRequest {
  return create(GetTaskRequestSchema, { id: taskNamed(name, 'name'), historyLength: limitFrom03(historyLength) });
}

export function cancelTaskFrom03({ name }: v03.CancelTaskRequest): CancelTaskRequest {
  return create(CancelTaskRequestSchema, { id: taskNamed(name, 'name') });
}

export function subscribeFrom03({ name }: v03.TaskSubscriptionRequest): SubscribeToTaskRequest {
  return create(SubscribeToTaskRequestSchema, { id: taskNamed(name, 'name') });
}

export function createPushConfigFrom03(
  request: v03.CreateTaskPushNotificationConfigRequest,
): TaskPushNotificationConfig {
  const taskId = taskNamed(request.parent, 'parent');
  const config = request.config?.pushNotificationConfig;
  if (!config) throw A2AError.invalidParams('config.pushNotificationConfig', 'is required');
  const translated = pushConfigFrom03(config);
  translated.taskId = taskId;
  // The JavaScript client of 0.3 writes an id that it has not as the word.
  const names = translated.id === '' ? !['', 'undefined'].includes(request.configId) : request.configId !== '';
  if (names) translated.id = request.configId;
  return translated;
}

export function getPushConfigFrom03({
  name,
}: v03.GetTaskPushNotificationConfigRequest): GetTaskPushNotificationConfigRequest {
  return create(GetTaskPushNotificationConfigRequestSchema, pushConfigNamed(name));
}

export function deletePushConfigFrom03({
  name,
}: v03.DeleteTaskPushNotificationConfigRequest): DeleteTaskPushNotificationConfigRequest {
  return create(DeleteTaskPushNotificationConfigRequestSchema, pushConfigNamed(name));
}

export function listPushConfigsFrom03(
  request: v03.ListTaskPushNotificationConfigRequest,
): ListTaskPushNotificationConfigsRequest {
  const { parent, pageSize, pageToken } = request;
  return create(ListTaskPushNotificationConfigsRequestSchema, {
    taskId: taskNamed(parent, 'parent'),
    pageSize,
    pageToken,
  });
}

/** A webhook of a task as package a2a.v1 has it, under its resource name. */
export function pushConfigTo03(config: TaskPushNotificationConfig): v03.TaskPushNotificationConfig {
  const { id, taskId, url, token, authentication } = config;
  return create(v03.TaskPushNotificationConfigSchema, {
    name: `tasks/${taskId}/pushNotificationConfigs/${id}`,
    pushNotificationConfig: {
      ...{ id, url, token },
      authentication: authentication && {
        schemes: [authentication.scheme],
        credentials: authentication.credentials,
      },
    },
  });
}

/** A page of webhooks as package a2a.v1 has it. */
export function pushConfigsTo03({
  configs,
  nextPageToken,
}: ListTaskPushNotificationConfigsResponse): v03.ListTaskPushNotificationConfigResponse {
  return create(v03.ListTaskPushNotificationConfigResponseSchema, {
    configs: configs.map(pushConfigTo03),
    nextPageToken,
  });
}

/** Of several schemes the first is taken: a notification authenticates by one. */
function pushConfigFrom03({ id, url, token, authentication }: v03.PushNotificationConfig): TaskPushNotificationConfig {
  return create(TaskPushNotificationConfigSchema, {
    ...{ id, url, token },
    authentication: authentication && {
      scheme: authentication.schemes[0] ?? '',
      credentials: authentication.credentials,
    },
  });
}

/** 0 stands for no limit in 0.3, and for nothing at all in 1.0. */
function limitFrom03(historyLength: number): number | undefined {
  return historyLength === 0 ? undefined : historyLength;
}

function taskNamed(name: string, field: 'name' | 'parent'): string {
  const id = /^tasks\/([^/]+)$/.exec(name)?.[1];
  if (id === undefined) throw A2AError.invalidParams(field, 'must be tasks/{id}');
  return id;
}

function pushConfigNamed(name: string): { taskId: string; id: string } {
  // Clients of 1.0 choose ids as they like.
  const [, taskId, id] = /^tasks\/([^/]+)\/pushNotificationConfigs\/(.+)$/s.exec(name) ?? [];
  if (taskId === undefined || id === undefined) {
    throw A2AError.invalidParams('name', 'must be tasks/{id}/pushNotificationConfigs/{id}');
  }
  return { taskId, id };
}
