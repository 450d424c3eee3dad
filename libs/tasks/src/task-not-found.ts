import { A2AError } from '#protocol';

/** The answer for a task that is not there, and for one that is not the caller's. */
export function taskNotFound(taskId: string): A2AError {
  return new A2AError('TASK_NOT_FOUND', { metadata: { taskId } });
}
