import { Command } from 'commander';
import { AdminClient } from '../admin-client.js';
import { CliError } from '../cli-error.js';
import { type FilterOptions, filterOf, hasConditions, limitOf, tenantOf, withFilter } from '../task-filter.js';
import { TaskPrinter } from '../task-printer.js';
import { type Terminal } from '../terminal.js';
import { counted, firstLine, textTable } from '../text-table.js';
import { found, onServer, pages } from './tasks-inspect.js';

interface LogOptions extends FilterOptions {
  readonly limit: number;
  readonly json?: boolean;
}

interface JournalOptions extends LogOptions {
  readonly turn?: number;
  readonly place?: string;
}

interface Logged {
  readonly sequence: number;
  readonly at: string;
  readonly event: object;
}

interface Recorded {
  readonly place: string;
  readonly kind: string;
  readonly name?: string;
  readonly bytes: number;
  readonly value?: unknown;
}

/** A task whose log is asked for. */
interface Named {
  readonly tenant?: string;
  readonly id: string;
}

const PAGE = 100;
const VALUE_WIDTH = 80;

/** `perdure tasks events|journal`: what tasks have said, and what their handlers have recorded. */
export function logCommands(terminal: Terminal): Command[] {
  return [eventsCommand(terminal), journalCommand(terminal)];
}

function eventsCommand(terminal: Terminal): Command {
  return ofTasks(new Command('events').description('Prints the events of tasks, each with its number and its time.'))
    .option('--json', 'print one JSON object a line')
    .action(async (url: string, ids: string[], options: LogOptions) => {
      const tasks = await namedTasks(url, ids, options);
      const printer = new TaskPrinter(terminal);
      for (const task of tasks) {
        if (tasks.length > 1 && !options.json) terminal.line(`TASK ${task.id}`);
        for await (const { sequence, at, event } of eventsOf(url, task)) {
          if (options.json) {
            terminal.json({ ...(tasks.length > 1 && { task: task.id }), sequence, at, event });
            continue;
          }
          terminal.line(`#${sequence} ${at}`);
          printer.event(event);
        }
      }
    });
}

function journalCommand(terminal: Terminal): Command {
  return ofTasks(
    new Command('journal').description('Prints what a turn of tasks has recorded, in the order of the handler.'),
  )
    .option('--turn <number>', 'a turn before the current one', limitOf)
    .option('--place <place>', 'one record of one task, with the whole of its value')
    .option('--json', 'print JSON')
    .action(async (url: string, ids: string[], options: JournalOptions) => {
      const { turn, place, json } = options;
      const tasks = await namedTasks(url, ids, options);
      if (place !== undefined) return printRecord(terminal, url, tasks, options);
      const journals: { task: string; records: Recorded[] }[] = [];
      for (const task of tasks) journals.push({ task: task.id, records: await journalOf(url, task, turn) });
      if (json) return terminal.json(tasks.length === 1 ? journals[0]!.records : journals, 2);
      for (const { task, records } of journals) {
        if (tasks.length > 1) terminal.line(`TASK ${task}`);
        if (records.length > 0) terminal.line(journalTable(records));
        terminal.note(counted(records.length, 'record'));
      }
    });
}

async function printRecord(
  terminal: Terminal,
  url: string,
  tasks: readonly Named[],
  { turn, place, json }: JournalOptions,
): Promise<void> {
  const [task] = tasks;
  if (!task || tasks.length > 1) throw new CliError('--place is for one task: give its id.');
  const record = await AdminClient.at(url).get<Recorded>(pathOf(task, 'journal'), { tenant: task.tenant, turn, place });
  terminal.json(json ? record : (record.value ?? null), 2);
}

function ofTasks(command: Command): Command {
  return withFilter(
    onServer(command).argument('[tasks...]', 'ids of tasks; without any, the filter says which'),
  ).option('--limit <number>', 'by filter: at most so many tasks', limitOf, 20);
}

/** The tasks of these ids, or those that the filter finds. */
async function namedTasks(url: string, ids: readonly string[], options: LogOptions): Promise<readonly Named[]> {
  if (ids.length > 0) {
    if (hasConditions(options))
      throw new CliError('Say which tasks by their ids, or by options such as --older-than, not by both.');
    return ids.map((id) => ({ id, tenant: tenantOf(url, options) }));
  }
  const filter = filterOf(url, options);
  if (!filter) throw new CliError('Say which tasks: their ids, or options such as --agent and --older-than.');
  return (await found(AdminClient.at(url), filter, options.limit)).tasks;
}

function eventsOf(url: string, task: Named): AsyncGenerator<Logged> {
  return pages(async (cursor) => {
    const query = { tenant: task.tenant, cursor, limit: PAGE };
    const { events, nextCursor } = await AdminClient.at(url).get<{ events: Logged[]; nextCursor?: string }>(
      pathOf(task, 'events'),
      query,
    );
    return { items: events, nextCursor };
  });
}

async function journalOf(url: string, task: Named, turn: number | undefined): Promise<Recorded[]> {
  const all: Recorded[] = [];
  const list = pages(async (cursor) => {
    const query = { tenant: task.tenant, turn, cursor, limit: PAGE };
    const { records, nextCursor } = await AdminClient.at(url).get<{ records: Recorded[]; nextCursor?: string }>(
      pathOf(task, 'journal'),
      query,
    );
    return { items: records, nextCursor };
  });
  for await (const record of list) all.push(record);
  return all;
}

function pathOf({ id }: Named, log: 'events' | 'journal'): string {
  return `/${encodeURIComponent(id)}/${log}`;
}

function journalTable(records: readonly Recorded[]): string {
  const rows = records.map(({ place, kind, name = '', bytes, value }) => [
    ...[place, kind, name, String(bytes)],
    value === undefined ? '' : firstLine(JSON.stringify(value), VALUE_WIDTH),
  ]);
  return textTable(['PLACE', 'KIND', 'NAME', 'BYTES', 'VALUE'], rows);
}
