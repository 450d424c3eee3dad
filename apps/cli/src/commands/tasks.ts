import { Command } from 'commander';
import { A2A_ERRORS, type ListTasksRequestJson, type TaskJson, type TaskStateJson } from '#protocol';
import { CallRefusedError } from '../call-error.js';
import { CliError } from '../cli-error.js';
import { connect, type Target, type TargetOptions, withTarget } from '../target.js';
import { hasConditions, limitOf, stateOf, withConditions } from '../task-filter.js';
import { textOf, TaskPrinter } from '../task-printer.js';
import { STATE_WORDS, stateWord } from '../task-state-word.js';
import { type Terminal } from '../terminal.js';
import { firstLine, textTable } from '../text-table.js';
import { inspectCommands } from './tasks-inspect.js';
import { logCommands } from './tasks-log.js';
import { type ActionOptions, actOn, repairCommands, withSelection } from './tasks-repair.js';

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

/** `perdure tasks`: what clients see of tasks and do to them, and what operators do. */
export function tasksCommand(terminal: Terminal): Command {
  const tasks = new Command('tasks')
    .summary('list, show, cancel and repair tasks')
    .description(
      'Lists, shows and cancels tasks over A2A, as a client; finds, inspects and repairs those of all tenants and agents, as ' +
        'the operator of a server on this machine.',
    )
    .addCommand(listCommand(terminal))
    .addCommand(getCommand(terminal))
    .addCommand(cancelCommand(terminal));
  const operators = [...inspectCommands(terminal), ...logCommands(terminal), ...repairCommands(terminal)];
  for (const command of operators) tasks.addCommand(command);
  return tasks;
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
      print(await ofOneAgent(client.call('GetTask', { tenant, id })), options, terminal);
    });
}

/** One task is canceled as its client would; those of a filter, or several, by the server's operator. */
function cancelCommand(terminal: Terminal): Command {
  return withConditions(withSelection(withTarget(new Command('cancel').description('Cancels tasks.')))).action(
    async (url: string, ids: string[], options: TargetOptions & ActionOptions) => {
      const [id] = ids;
      if (id === undefined || ids.length > 1 || options.dryRun || hasConditions(options))
        return actOn(terminal, url, { verb: 'cancel', ids, options });
      const { client, tenant } = await connect(url, options);
      print(await ofOneAgent(client.call('CancelTask', { tenant, id })), options, terminal);
    },
  );
}

/** A client asks one agent, of which a task of another agent is not known. */
async function ofOneAgent(task: Promise<TaskJson>): Promise<TaskJson> {
  try {
    return await task;
  } catch (error) {
    const isUnknown = error instanceof CallRefusedError && error.code === A2A_ERRORS.TASK_NOT_FOUND.jsonRpc;
    if (!isUnknown) throw error;
    throw new CliError(`${error.message}. Is it another agent's, or another tenant's? See --agent and --tenant.`);
  }
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
  return textTable(['TASK', 'STATE', 'SINCE', 'CONTEXT', 'MESSAGE'], rows);
}
