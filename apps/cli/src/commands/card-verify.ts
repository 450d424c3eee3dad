import { Command } from 'commander';
import { type CardCheck, inspectCard } from '../card-inspection.js';
import { addressOf, type TargetOptions, withTarget } from '../target.js';
import { type Terminal } from '../terminal.js';

interface VerifyOptions extends TargetOptions {
  readonly jwks?: string;
  readonly json?: boolean;
}

/** `perdure card verify`: checks an agent card, anyone's, of any version, and says what is wrong with it. */
export function cardVerifyCommand(terminal: Terminal): Command {
  return withTarget(new Command('verify'))
    .summary('check an agent card and its signatures')
    .description(
      'Checks any agent card, of A2A 1.0, 0.3 or both: how it is served, its fields, addresses, skills, security, and its ' +
        'signatures, with the keys where they say they are, or with the ones given. It is asked for as a client of 1.0 ' +
        "does; --header 'A2A-Version: 0.3' asks for what the others get.",
    )
    .option('--jwks <url|file>', 'the JWK set with the keys to trust, instead of the one that a signature names')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExit codes: 0 nothing is wrong (there may be warnings); 1 something is; 2 wrong usage.')
    .action(async (url: string, options: VerifyOptions) => {
      const checks = await inspectCard(addressOf(url, options), options.jwks);
      const isValid = checks.every(({ level }) => level !== 'error');
      if (options.json) terminal.json({ valid: isValid, checks }, 2);
      else terminal.line([...checks.map(checkText), '', summary(checks)].join('\n'));
      if (!isValid) terminal.exitCode = 1;
    });
}

function checkText({ level, field, message }: CardCheck): string {
  return `${level.padEnd(7)}  ${field ? `${field} ` : ''}${message}`;
}

function summary(checks: readonly CardCheck[]): string {
  const count = (wanted: CardCheck['level']) => checks.filter(({ level }) => level === wanted).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const verdict = errors === 0 ? 'The card is valid' : 'The card is not valid';
  return `${verdict}: ${plural(errors, 'error')}, ${plural(warnings, 'warning')}.`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
