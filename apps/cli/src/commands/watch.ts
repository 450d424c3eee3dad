import { Command } from 'commander';
import type { StreamResponseJson, TaskStateJson } from '#protocol';
import { ExitCode } from '../cli-error.js';
import { shellWord } from '../shell-word.js';
import { connect, type TargetOptions, withTarget } from '../target.js';
import { TaskFeed } from '../task-feed.js';
import { TaskPrinter } from '../task-printer.js';
import { isUnsuccessful, isWaiting, stateWord } from '../task-state-word.js';
import { type Terminal } from '../terminal.js';

interface WatchOptions extends TargetOptions {
  readonly json?: boolean;
}

const HELP = `
Prints what has happened so far, then what happens, each event once, until the task ends. When the line is cut, or the
server restarts, it goes on where it was; it gives up after five minutes without an answer.

Exit codes: 0 the task completed; 1 it failed, was rejected or canceled;
            2 wrong usage, no answer from the server, or the call was refused.`;

/** `perdure watch`: prints a task's events until it ends. */
export function watchCommand(terminal: Terminal): Command {
  return withTarget(new Command('watch'))
    .summary('print what happens in a task until it ends')
    .description('Prints what happens in a task until it ends.')
    .argument('<task>', 'the id of the task')
    .option('--json', "print the protocol's JSON, one event a line")
    .addHelpText('after', HELP)
    .action(async (url: string, taskId: string, options: WatchOptions) => {
      const feed = new TaskFeed(await connect(url, options), terminal);
      const printer = new TaskPrinter(terminal);
      let state: TaskStateJson | undefined;
      terminal.progress.show('waiting for the server');
      for await (const event of feed.watch(taskId)) {
        state = stateIn(event) ?? state;
        terminal.progress.show(stateWord(state));
        if (options.json) terminal.json(event);
        else printer.event(event);
        if (isWaiting(stateIn(event))) terminal.note(answerHint(url, taskId, options));
      }
      if (isUnsuccessful(state)) terminal.exitCode = ExitCode.task;
    });
}

function stateIn({ task, statusUpdate }: StreamResponseJson): TaskStateJson | undefined {
  return task?.status?.state ?? statusUpdate?.status?.state;
}

function answerHint(url: string, taskId: string, { agent }: TargetOptions): string {
  const target = [url, ...(agent ? ['--agent', agent] : [])].map(shellWord).join(' ');
  return `The task waits for you. Answer with: perdure send ${target} 'ANSWER' --task ${shellWord(taskId)}`;
}
