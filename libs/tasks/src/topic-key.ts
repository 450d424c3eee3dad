import { type TaskKey } from '#store';

/** `tenant/task`: names a task where keys are one text. */
export function topicKey({ tenantId, taskId }: TaskKey): string {
  return `${tenantId}/${taskId}`;
}
