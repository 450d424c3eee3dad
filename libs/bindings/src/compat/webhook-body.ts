import { type JsonObject } from '@bufbuild/protobuf';
import { type OlderDialect, type Task } from '#protocol';
import { firstTask } from './first-results.js';
import { taskTo } from './json-results.js';

/**
 * The body of a notification in an older dialect: the task as it stands after the event (specification 0.3, section 9.5), by
 * whichever wire its webhook was set up. The first dialect calls the task by its client's own name, where there is one.
 */
export function compatWebhookBody(dialect: OlderDialect, task: Task, clientTaskId = task.id): JsonObject {
  return dialect === '0.3' ? taskTo(task) : firstTask(task, clientTaskId);
}
