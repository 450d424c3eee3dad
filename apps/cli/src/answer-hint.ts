import { shellWord } from './shell-word.js';

/** A task as the command line names it: the URL argument, `--agent`, and the task's id. */
export interface TaskAddress {
  readonly url: string;
  readonly agent?: string;
  readonly taskId: string;
}

/** Says with which command a question of the task is answered. */
export function answerHint(task: TaskAddress): string {
  return `The task waits for you. Answer with: npx perdure send ${target(task)} 'ANSWER' --task ${shellWord(task.taskId)}`;
}

/** Says with which command a task that goes on is followed. */
export function watchHint(task: TaskAddress): string {
  return `The task goes on. Follow it with: npx perdure watch ${target(task)} ${shellWord(task.taskId)}`;
}

function target({ url, agent }: TaskAddress): string {
  return [url, ...(agent ? ['--agent', agent] : [])].map(shellWord).join(' ');
}
