import { CliError, ExitCode } from './cli-error.js';
import { type Terminal } from './terminal.js';
import { counted } from './text-table.js';

/**
 * Asks whether an action on so many things is to be done; there is nothing to ask where there are none.
 * @throws CliError where nobody can be asked.
 */
export async function confirmed(terminal: Terminal, verb: string, count: number, noun: string): Promise<boolean> {
  const plan = `${verb}: ${counted(count, noun)}`;
  if (count === 0) {
    terminal.note(plan);
    return false;
  }
  if (!terminal.canAsk) {
    throw new CliError(`${plan}. Nothing is done yet: add --yes to do it, or --dry-run to see which.`, ExitCode.task);
  }
  const answer = await terminal.ask(`${plan}. Go on? [y/N] `);
  return /^y(es)?$/i.test(answer ?? '');
}
