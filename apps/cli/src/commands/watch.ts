import { Command } from 'commander';
import type { StreamResponseJson, TaskStateJson } from '#protocol';
import { answerHint, type TaskAddress } from '../answer-hint.js';
import { ExitCode } from '../cli-error.js';
import { connect, type TargetOptions, withPatience, withTarget } from '../target.js';
import { TaskFeed } from '../task-feed.js';
import { TaskPrinter } from '../task-printer.js';
import { isUnsuccessful, isWaiting, stateWord } from '../task-state-word.js';
import { type Terminal } from '../terminal.js';

interface WatchOptions extends TargetOptions {
  readonly json?: boolean;
}

/** Questions of the past are followed by their answers at once; only one that stays open needs a hint. */
const HINT_MS = 500;

const HELP = `
Prints what has happened so far, then what happens, each event once, until the task ends. Where the server goes away
meanwhile, it waits for it and goes on where it was.

Exit codes: 0 the task completed; 1 it failed, was rejected or canceled;
            2 wrong usage, no answer from the server, or the call was refused.`;

/** `perdure watch`: prints a task's events until it ends. */
export function watchCommand(terminal: Terminal): Command {
  return withPatience(withTarget(new Command('watch')))
    .summary('print what happens in a task until it ends')
    .description('Prints what happens in a task until it ends.')
    .argument('<task>', 'the id of the task')
    .option('--json', "print the protocol's JSON, one event a line")
    .addHelpText('after', HELP)
    .action(async (url: string, taskId: string, options: WatchOptions) => {
      const feed = new TaskFeed(await connect(url, options), terminal);
      const state = await follow(feed.watch(taskId), { url, agent: options.agent, taskId }, options, terminal);
      if (isUnsuccessful(state)) terminal.exitCode = ExitCode.task;
    });
}

/** Prints the events and resolves to the task's last state. */
async function follow(
  events: AsyncIterable<StreamResponseJson>,
  task: TaskAddress,
  { json }: WatchOptions,
  terminal: Terminal,
): Promise<TaskStateJson | undefined> {
  const printer = new TaskPrinter(terminal);
  let state: TaskStateJson | undefined;
  let hint: NodeJS.Timeout | undefined;
  terminal.progress.show('waiting for the server');
  try {
    for await (const event of events) {
      clearTimeout(hint);
      state = event.task?.status?.state ?? event.statusUpdate?.status?.state ?? state;
      terminal.progress.show(stateWord(state));
      if (json) terminal.json(event);
      else printer.event(event);
      if (isWaiting(state)) hint = setTimeout(() => terminal.note(answerHint(task)), HINT_MS);
    }
  } finally {
    clearTimeout(hint);
  }
  return state;
}
