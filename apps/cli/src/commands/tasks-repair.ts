import { Command, InvalidArgumentError } from 'commander';
import { AdminClient } from '../admin-client.js';
import { CliError } from '../cli-error.js';
import { confirmed } from '../confirmation.js';
import { PAGE, possible, reportPages } from '../report-pages.js';
import { type ActionReport, ReportPrinter } from '../report-printer.js';
import {
  duration,
  type FilterOptions,
  filterOf,
  hasConditions,
  limitOf,
  type TaskFilterJson,
  tenantOf,
  withFilter,
} from '../task-filter.js';
import { type Terminal } from '../terminal.js';
import { onServer } from './tasks-inspect.js';

type Verb = 'retry' | 'redrive' | 'reset' | 'cancel' | 'signal';

/** Which tasks, and how an action by filter goes about them. */
export interface ActionOptions extends FilterOptions {
  readonly limit: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

interface RepairOptions extends ActionOptions {
  readonly deadline?: string;
  readonly to?: string;
  readonly toPlace?: string;
}

interface SignalOptions {
  readonly tenant?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** What the server reports of one task. */
interface Report extends ActionReport {
  readonly tenant: string;
  readonly id: string;
}

/** Which tasks an action is for, as `/admin/v1` takes it. */
type Selection = { readonly tenant?: string; readonly ids: readonly string[] } | { readonly filter: TaskFilterJson };

const EXIT_CODES = '\nExit codes: 0 it is done for all of them; 1 some refused it, or it needs --yes; 2 an error.';

/** `perdure tasks retry|redrive|reset|signal`: sets tasks going that go no further by themselves. */
export function repairCommands(terminal: Terminal): Command[] {
  return [
    repairCommand(terminal, 'retry', 'Makes the next attempt of tasks in backoff now, and opens failed ones again.'),
    repairCommand(terminal, 'redrive', 'Opens dead letters again: they go on from what they have recorded.'),
    repairCommand(
      terminal,
      'reset',
      'Takes tasks back to a call of their current turn, or to its top, and on from there.',
    )
      .option('--to <call>', 'the first call to be made again, by its name in the journal; default: all')
      .option('--to-place <place>', 'the same by its place in the journal, such as 3 or 3.left.2'),
    signalCommand(terminal),
  ];
}

/** Adds the ids of tasks, and how an action goes about those that a filter finds, to a command. */
export function withSelection(command: Command): Command {
  return command
    .argument('[tasks...]', 'ids of tasks; without any, the filter says which')
    .option('--limit <number>', 'by filter: at most so many tasks', limitOf, 1_000)
    .option('--dry-run', 'only print what would be done')
    .option('--yes', 'by filter: do it without asking')
    .option('--json', 'print JSON')
    .addHelpText('after', EXIT_CODES);
}

function repairCommand(terminal: Terminal, verb: 'retry' | 'redrive' | 'reset', description: string): Command {
  const deadline = (text: string) => (text === 'none' ? text : duration(text));
  return withFilter(withSelection(onServer(new Command(verb).description(description))))
    .option('--deadline <duration>', "the tasks' new deadline from now, or none", deadline)
    .action(async (url: string, ids: string[], options: RepairOptions) => {
      const { deadline: given, to, toPlace } = options;
      await actOn(terminal, url, { verb, ids, options, fields: { deadline: given, to, toPlace } });
    });
}

function signalCommand(terminal: Terminal): Command {
  return onServer(new Command('signal').description('Sends a signal to a task whose handler waits for it, or will.'))
    .argument('<task>', 'the id of the task')
    .argument('<name>', 'what the handler waits for: task.waitFor(NAME)')
    .argument('[json]', 'the value that the handler gets; default: null', jsonOf)
    .option('--tenant <tenant>', 'the tenant whose task it is (default)')
    .option('--key <key>', 'a signal that is sent again under the same key counts once')
    .option('--json', 'print JSON')
    .action(
      async (url: string, id: string, name: string, json: { value: unknown } | undefined, options: SignalOptions) => {
        const body = { tenant: tenantOf(url, options), ids: [id], name, value: json?.value, key: options.key };
        const { results } = await AdminClient.at(url).post<{ results: Report[] }>('/signal', body);
        const printer = new ReportPrinter<Report>(terminal, {
          noun: 'task',
          nameOf: ({ id }) => id,
          json: options.json,
        });
        printer.print(results);
        printer.end();
      },
    );
}

/** Does it to the tasks of these ids, or to those that the filter finds, and prints what became of each. */
export async function actOn(
  terminal: Terminal,
  url: string,
  action: {
    readonly verb: Verb;
    readonly ids: readonly string[];
    readonly options: ActionOptions;
    readonly fields?: object;
  },
): Promise<void> {
  const { verb, ids, options, fields = {} } = action;
  const client = AdminClient.at(url);
  const selection = selectionOf(verb, url, ids, options);
  const act = (dryRun: boolean) => reports(client, verb, { ...fields, ...selection, dryRun }, options.limit);
  const isAsked = 'filter' in selection && !options.dryRun && !options.yes;
  if (isAsked && !(await confirmed(terminal, verb, await possible(act(true)), 'task'))) return;
  const printer = new ReportPrinter<Report>(terminal, { noun: 'task', nameOf: ({ id }) => id, json: options.json });
  try {
    for await (const page of act(options.dryRun ?? false)) printer.print(page);
  } finally {
    printer.end();
  }
}

function selectionOf(verb: Verb, url: string, ids: readonly string[], options: ActionOptions): Selection {
  if (ids.length > 0 && hasConditions(options)) {
    throw new CliError('Say which tasks by their ids, or by options such as --older-than, not by both.');
  }
  if (ids.length > 0) return { tenant: tenantOf(url, options), ids };
  const filter = filterOf(url, options);
  if (filter ?? verb === 'redrive') return { filter: filter ?? {} };
  throw new CliError(
    `Say which tasks: their ids, or options such as --agent and --older-than (see perdure tasks ${verb} --help).`,
  );
}

/** Page by page. */
async function* reports(
  client: AdminClient,
  verb: Verb,
  body: Selection & { readonly dryRun: boolean },
  limit: number,
): AsyncGenerator<readonly Report[]> {
  if ('ids' in body) {
    for (let from = 0; from < body.ids.length; from += PAGE) {
      const page = { ...body, ids: body.ids.slice(from, from + PAGE) };
      yield (await client.post<{ results: Report[] }>(`/${verb}`, page)).results;
    }
    return;
  }
  yield* reportPages<Report>(client, `/${verb}`, body, limit);
}

/** Wrapped: a value of null, or of undefined, is a value too. */
function jsonOf(text: string): { value: unknown } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    throw new InvalidArgumentError(`It is JSON: a text stands in double quotes, as in '"paid"'.`);
  }
}
