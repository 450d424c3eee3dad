import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '#platform';
import type { TaskStateJson } from '#protocol';
import { WAITS } from '#tasks';
import { STATE_WORDS } from './task-state-word.js';

/** The options that say which tasks are meant. */
export interface FilterOptions {
  readonly tenant?: string;
  readonly agent?: string;
  readonly context?: string;
  readonly state?: TaskStateJson;
  readonly reason?: string;
  readonly waitsFor?: string;
  readonly olderThan?: string;
  readonly youngerThan?: string;
}

/** A filter as `/admin/v1` takes it. */
export type TaskFilterJson = FilterOptions & { readonly dead?: boolean };

/** Adds the options of a filter to a command. */
export function withFilter(command: Command): Command {
  command.option('--tenant <tenant>', 'tasks of this tenant; with ids: the tenant they are of (default)');
  return withConditions(command.option('--agent <id>', 'tasks of this agent'));
}

/** The same for a command that has options for tenant and agent already. */
export function withConditions(command: Command): Command {
  return command
    .option('--context <id>', 'tasks of this conversation')
    .option('--state <state>', `tasks in this state: ${Object.keys(STATE_WORDS).join(', ')}`, stateOf)
    .option('--reason <reason>', 'tasks that failed for this reason: error, timeout, deadline, worker_lost …')
    .addOption(new Option('--waits-for <what>', 'tasks that wait for this').choices(WAITS))
    .option('--older-than <duration>', 'tasks whose status is older than 30s, 15m, 24h, 7d', duration)
    .option('--younger-than <duration>', 'tasks whose status is younger', duration);
}

/** The filter that the options say; undefined where they say none. The URL of an agent or tenant means its tasks. */
export function filterOf(url: string, options: FilterOptions): TaskFilterJson | undefined {
  const inUrl = addressIn(url);
  const { tenant = inUrl.tenant, agent = inUrl.agent } = options;
  const filter = { tenant, agent, ...conditionsOf(options) };
  return Object.values(filter).some((value) => value !== undefined) ? filter : undefined;
}

/** The tenant whose tasks are named by ids; undefined for the default one. */
export function tenantOf(url: string, { tenant }: Pick<FilterOptions, 'tenant'>): string | undefined {
  return tenant ?? addressIn(url).tenant;
}

/** Whether the options say more than whose the tasks are: ids beside that would be two answers to one question. */
export function hasConditions(options: FilterOptions): boolean {
  return Object.values(conditionsOf(options)).some((value) => value !== undefined);
}

/** A state by its word. */
export function stateOf(text: string): TaskStateJson {
  const word = text
    .toLowerCase()
    .replace(/^task_state_/, '')
    .replaceAll('_', '-');
  const state = STATE_WORDS[word];
  if (!state) throw new InvalidArgumentError(`It is one of ${Object.keys(STATE_WORDS).join(', ')}.`);
  return state;
}

/** A number of tasks. */
export function limitOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1 on.');
  return Number(text);
}

/** A duration, as the server takes it. */
export function duration(text: string): string {
  try {
    parseDuration(text);
    return text;
  } catch {
    throw new InvalidArgumentError('Write it as 90s, 15m, 24h or 7d.');
  }
}

function conditionsOf({ context, state, reason, waitsFor, olderThan, youngerThan }: FilterOptions): FilterOptions {
  return { context, state, reason, waitsFor, olderThan, youngerThan };
}

/** Of `/agents/{agent}/{tenant}` and `/{tenant}`, with a card's path behind them or without. */
function addressIn(url: string): { readonly agent?: string; readonly tenant?: string } {
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/\/\.well-known(\/.*)?$/, '') : '';
  const [first, second, third] = path.split('/').filter((part) => part !== '');
  return first === 'agents' ? { agent: second, tenant: third } : { tenant: first };
}
