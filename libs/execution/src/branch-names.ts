import { type Branch } from '#agents';
import { InvalidCallError } from './handler-errors.js';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Branches with the names under which their calls are recorded. */
export interface NamedBranches {
  readonly list: readonly { readonly name: string; readonly run: Branch<unknown> }[];
  /** The author's own names; undefined for a list. */
  readonly names: readonly string[] | undefined;
  /** Says which branches there are: on replay they must be the same. */
  readonly label: string;
}

/** The branches as they were given to `task.all`; those of a list are numbered from 0. */
export function namedBranches(given: unknown): NamedBranches {
  if (typeof given !== 'object' || given === null) {
    throw new InvalidCallError('task.all takes an object or a list of functions');
  }
  const list = Object.entries(given).map(([name, run]) => ({ name, run: checked(name, run) }));
  if (Array.isArray(given)) return { list, names: undefined, label: `${list.length} branches` };
  const names = list.map(({ name }) => name);
  return { list, names, label: names.join(', ') };
}

function checked(name: string, run: unknown): Branch<unknown> {
  if (!NAME.test(name)) {
    throw new InvalidCallError(`the branch name ${JSON.stringify(name)} is not 1 to 64 letters, digits, _ or -`);
  }
  if (typeof run !== 'function') throw new InvalidCallError(`branch ${name} of task.all is not a function`);
  return run as Branch<unknown>;
}
