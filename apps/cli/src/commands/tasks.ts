import { Command, InvalidArgumentError } from 'commander';
import type { ListTasksRequestJson, TaskJson, TaskStateJson } from '#protocol';
import { connect, type Target, type TargetOptions, withTarget } from '../target.js';
import { textOf, TaskPrinter } from '../task-printer.js';
import { STATE_WORDS, stateWord } from '../task-state-word.js';
import { type Terminal } from '../terminal.js';

interface ListOptions extends TargetOptions {
  readonly state?: TaskStateJson;
  readonly context?: string;
  readonly limit: number;
  readonly json?: boolean;
}

interface TaskOptions extends TargetOptions {
  readonly json?: boolean;
}

const PAGE_SIZE = 100;

/** `perdure tasks ls|get|cancel`: looks at the tasks of a server and cancels them. */
export function tasksCommand(terminal: Terminal): Command {
  return new Command('tasks')
    .summary('list, show and cancel tasks')
    .description('Lists, shows and cancels tasks.')
    .addCommand(listCommand(terminal))
    .addCommand(getCommand(terminal))
    .addCommand(cancelCommand(terminal));
}

function listCommand(terminal: Terminal): Command {
  return withTarget(new Command('ls'))
    .description('Lists tasks, the last changed first.')
    .option('--state <state>', `only tasks in this state: ${Object.keys(STATE_WORDS).join(', ')}`, stateOf)
    .option('--context <id>', 'only tasks of this conversation')
    .option('--limit <number>', 'print at most so many', limitOf, 20)
    .option('--json', "print the protocol's JSON")
    .action(async (url: string, options: ListOptions) => {
      const { tasks, total } = await listTasks(await connect(url, options), options);
      if (options.json) return terminal.json(tasks, 2);
      if (tasks.length > 0) terminal.line(table(tasks));
      terminal.note(`${tasks.length} of ${total} tasks`);
    });
}

function getCommand(terminal: Terminal): Command {
  return withTarget(new Command('get'))
    .description('Shows a task with its status and artifacts.')
    .argument('<task>', 'the id of the task')
    .option('--json', "print the protocol's JSON, with the task's messages")
    .action(async (url: string, id: string, options: TaskOptions) => {
      const { client, tenant } = await connect(url, options);
      print(await client.call('GetTask', { tenant, id }), options, terminal);
    });
}

function cancelCommand(terminal: Terminal): Command {
  return withTarget(new Command('cancel'))
    .description('Cancels a task.')
    .argument('<task>', 'the id of the task')
    .option('--json', "print the protocol's JSON")
    .action(async (url: string, id: string, options: TaskOptions) => {
      const { client, tenant } = await connect(url, options);
      print(await client.call('CancelTask', { tenant, id }), options, terminal);
    });
}

function print(task: TaskJson, { json }: TaskOptions, terminal: Terminal): void {
  if (json) terminal.json(task, 2);
  else new TaskPrinter(terminal).task(task);
}

/** Pages through ListTasks until the limit is reached or there are no more. */
async function listTasks({ client, tenant }: Target, { state, context, limit }: ListOptions) {
  const tasks: TaskJson[] = [];
  let total = 0;
  let pageToken: string | undefined;
  do {
    const pageSize = Math.min(PAGE_SIZE, limit - tasks.length);
    const request: ListTasksRequestJson = { tenant, status: state, contextId: context, pageSize, pageToken };
    const page = await client.call('ListTasks', { ...request, historyLength: 0 });
    tasks.push(...(page.tasks ?? []));
    total = page.totalSize ?? tasks.length;
    pageToken = page.nextPageToken;
  } while (pageToken && tasks.length < limit);
  return { tasks, total };
}

function table(tasks: readonly TaskJson[]): string {
  const rows = tasks.map(({ id, contextId, status }) => [
    id ?? '',
    stateWord(status?.state),
    status?.timestamp ?? '',
    contextId ?? '',
    firstLine(textOf(status?.message?.parts)),
  ]);
  const all = [['TASK', 'STATE', 'SINCE', 'CONTEXT', 'MESSAGE'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function firstLine(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

function stateOf(text: string): TaskStateJson {
  const word = text
    .toLowerCase()
    .replace(/^task_state_/, '')
    .replaceAll('_', '-');
  const state = STATE_WORDS[word];
  if (!state) throw new InvalidArgumentError(`It is one of ${Object.keys(STATE_WORDS).join(', ')}.`);
  return state;
}

function limitOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1 on.');
  return Number(text);
}
