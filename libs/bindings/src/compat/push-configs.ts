import { create } from '@bufbuild/protobuf';
import {
  A2AError,
  type A2AOperations,
  type CallContext,
  type GetTaskPushNotificationConfigRequest,
  type ListTaskPushNotificationConfigsRequest,
  ListTaskPushNotificationConfigsRequestSchema,
  type ListTaskPushNotificationConfigsResponse,
  ListTaskPushNotificationConfigsResponseSchema,
  type TaskPushNotificationConfig,
} from '#protocol';

/** All webhooks of a task in one answer: there were no pages before 1.0. */
export async function allPushConfigs(
  operations: A2AOperations,
  request: ListTaskPushNotificationConfigsRequest,
  context: CallContext,
): Promise<ListTaskPushNotificationConfigsResponse> {
  const configs: TaskPushNotificationConfig[] = [];
  let pageToken = '';
  do {
    const page = await operations.listTaskPushNotificationConfigs({ ...request, pageToken }, context);
    configs.push(...page.configs);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return create(ListTaskPushNotificationConfigsResponseSchema, { configs });
}

/**
 * The webhook that is asked for. Without an id, as before a task could have several, it is the one that was set without an id,
 * whose id is the task's, or else the only one. Throws A2AError TASK_NOT_FOUND where there is none, INVALID_PARAMS where there
 * are several.
 */
export async function namedOrOnlyPushConfig(
  operations: A2AOperations,
  request: GetTaskPushNotificationConfigRequest,
  context: CallContext,
): Promise<TaskPushNotificationConfig> {
  const { id, taskId } = request;
  if (id !== '') return operations.getTaskPushNotificationConfig(request, context);
  const asked = create(ListTaskPushNotificationConfigsRequestSchema, { taskId });
  const { configs } = await allPushConfigs(operations, asked, context);
  const [first, ...more] = configs;
  if (!first) throw new A2AError('TASK_NOT_FOUND', { message: 'The task has no webhook', metadata: { taskId } });
  if (more.length === 0) return first;
  const unnamed = configs.find((config) => config.id === config.taskId);
  if (!unnamed) throw A2AError.invalidParams('id', 'is required: the task has several webhooks');
  return unnamed;
}
