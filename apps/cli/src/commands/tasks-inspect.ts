import { Command } from 'commander';
import type { TaskStateJson, TaskStatusJson } from '#protocol';
import { AdminClient } from '../admin-client.js';
import { type FilterOptions, filterOf, limitOf, type TaskFilterJson, tenantOf, withFilter } from '../task-filter.js';
import { textOf } from '../task-printer.js';
import { stateWord } from '../task-state-word.js';
import { type Terminal } from '../terminal.js';
import { counted, firstLine, textTable } from '../text-table.js';

interface FindOptions extends FilterOptions {
  readonly limit: number;
  readonly json?: boolean;
}

interface InspectOptions {
  readonly tenant?: string;
  readonly json?: boolean;
}

/** A task as `/admin/v1` shows it. */
export interface Operated {
  readonly tenant: string;
  readonly id: string;
  readonly agent: string;
  readonly served: boolean;
  readonly agentVersion?: string;
  readonly contextId: string;
  readonly state: TaskStateJson;
  readonly status: TaskStatusJson;
  readonly createdAt: string;
  readonly reason?: string;
  readonly errorId?: string;
  readonly waitsFor?: string;
  readonly runAt?: string;
  readonly deadline?: string;
  readonly lease: { readonly token: number; readonly holder?: string };
  readonly turn: number;
  readonly attempt: number;
  readonly lost: number;
  readonly events: number;
  readonly messages: number;
  readonly signals: number;
}

const PAGE = 100;
const VALUE_WIDTH = 80;

/** `perdure tasks find|dead|inspect`: how tasks stand, across tenants and agents. */
export function inspectCommands(terminal: Terminal): Command[] {
  return [
    findCommand(terminal, 'find', 'Finds tasks of all tenants and agents, the oldest of each tenant first.'),
    findCommand(terminal, 'dead', 'Lists dead letters: tasks that failed, and not by the word of their agent.'),
    inspectCommand(terminal),
  ];
}

/** Everything from a list of the server, page by page. */
export async function* pages<Item>(
  next: (cursor: string | undefined) => Promise<{ readonly items: readonly Item[]; readonly nextCursor?: string }>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const { items, nextCursor } = await next(cursor);
    yield* items;
    cursor = nextCursor;
  } while (cursor !== undefined);
}

function findCommand(terminal: Terminal, name: 'find' | 'dead', description: string): Command {
  return withFilter(onServer(new Command(name).description(description)))
    .option('--limit <number>', 'print at most so many', limitOf, 20)
    .option('--json', 'print JSON')
    .action(async (url: string, options: FindOptions) => {
      const filter = { ...filterOf(url, options), ...(name === 'dead' && { dead: true }) };
      const { tasks, more } = await found(AdminClient.at(url), filter, options.limit);
      if (options.json) return terminal.json(tasks, 2);
      if (tasks.length > 0) terminal.line(taskTable(tasks));
      const count = counted(tasks.length, 'task');
      terminal.note(more ? `${count}, and there are more: see --limit` : count);
    });
}

/** The first `limit` tasks that the filter finds, and whether there are more. */
export async function found(client: AdminClient, filter: TaskFilterJson, limit: number) {
  const tasks: Operated[] = [];
  const list = pages(async (cursor) => {
    const page = { limit: Math.min(PAGE, limit - tasks.length + 1), cursor };
    const { tasks: items, nextCursor } = await client.get<{ tasks: Operated[]; nextCursor?: string }>('', {
      ...filter,
      ...page,
    });
    return { items, nextCursor };
  });
  for await (const task of list) {
    if (tasks.length === limit) return { tasks, more: true };
    tasks.push(task);
  }
  return { tasks, more: false };
}

function inspectCommand(terminal: Terminal): Command {
  return onTask(
    new Command('inspect').description('Shows how a task stands with the engine: what it waits for, and why.'),
  )
    .option('--json', 'print JSON')
    .action(async (url: string, id: string, { json, ...options }: InspectOptions) => {
      const tenant = tenantOf(url, options);
      const task = await AdminClient.at(url).get<Operated>(`/${encodeURIComponent(id)}`, { tenant });
      if (json) return terminal.json(task, 2);
      terminal.line(aboutTask(task));
    });
}

/** Adds the URL argument of a command that speaks to a server's operators' side. */
export function onServer(command: Command): Command {
  return command.argument(
    '<url>',
    'the server, on this machine: http://localhost:8080, or an agent of it (…/agents/ID)',
  );
}

function onTask(command: Command): Command {
  return onServer(command)
    .argument('<task>', 'the id of the task')
    .option('--tenant <tenant>', 'the tenant whose task it is (default)');
}

function taskTable(tasks: readonly Operated[]): string {
  const rows = tasks.map((task) => [
    ...[task.id, task.tenant, task.agent, stateWord(task.state), task.status.timestamp ?? ''],
    ...[waitText(task), String(task.attempt), task.reason ?? ''],
  ]);
  return textTable(['TASK', 'TENANT', 'AGENT', 'STATE', 'SINCE', 'WAITS FOR', 'FAILURES', 'REASON'], rows);
}

function waitText({ waitsFor, runAt }: Operated): string {
  if (waitsFor === undefined) return '';
  const until = runAt !== undefined && ['start', 'timer', 'retry', 'signal', 'delegation'].includes(waitsFor);
  return until ? `${waitsFor} until ${runAt}` : waitsFor;
}

function aboutTask(task: Operated): string {
  const message = textOf(task.status.message?.parts);
  const reason = [task.reason, task.errorId && `error id ${task.errorId}`].filter(Boolean).join(', ');
  const lines: (readonly [string, string | undefined])[] = [
    ['task', task.id],
    ['tenant', task.tenant],
    ['agent', `${task.agent} ${task.agentVersion ?? ''}`.trim() + (task.served ? '' : ' (not served here)')],
    ['context', task.contextId],
    ['state', `${stateWord(task.state)} since ${task.status.timestamp ?? ''}`],
    ['message', message === '' ? undefined : firstLine(message, VALUE_WIDTH)],
    ['reason', reason === '' ? undefined : reason],
    ['waits for', task.waitsFor && WAITS_FOR[task.waitsFor]],
    ['due', task.runAt],
    ['lease', task.lease.holder === undefined ? undefined : `${task.lease.holder}, token ${task.lease.token}`],
    ['deadline', task.deadline],
    ['created', task.createdAt],
    ['turn', String(task.turn)],
    ['failures', `${task.attempt} of the handler, ${task.lost} of workers under it`],
    [
      'counts',
      [counted(task.events, 'event'), counted(task.messages, 'message'), counted(task.signals, 'signal')].join(', '),
    ],
  ];
  return lines
    .filter((line): line is [string, string] => line[1] !== undefined)
    .map(([name, text]) => `${name.padEnd(9)}  ${text}`)
    .join('\n');
}

/** What the words of the server mean. */
const WAITS_FOR: Readonly<Record<string, string>> = {
  input: 'input: a message from its client',
  auth: 'auth: an authorisation by its client',
  run: 'run: it is being run',
  takeover: 'takeover: who ran it is gone; another takes it over',
  worker: 'worker: it is due, and no worker has a free slot for it',
  start: 'start: the time it is scheduled for',
  signal: 'signal: a signal by name',
  delegation: 'delegation: another agent',
  timer: 'timer: the end of a sleep, or of the pause of a step',
  retry: 'retry: the end of the pause after a failure',
};
