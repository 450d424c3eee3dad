import { Command, InvalidArgumentError } from 'commander';
import { KeyRotation, RotationPendingError, SIGNING_KEY_SIGNALS, signingKeyStates } from '#access';
import { type Config, loadConfig, openSecrets, parseDuration } from '#platform';
import { SigningKeyRepository, type SigningKeyRow } from '#store';
import { CliError, ExitCode } from '../cli-error.js';
import { withDatabase } from '../operator-database.js';
import { starting } from '../start-error.js';
import { type Terminal } from '../terminal.js';

interface RotateOptions {
  readonly lead: number;
  readonly keep: number;
  readonly immediately?: boolean;
}

/** `perdure keys`: the keys that sign agent cards and webhooks. */
export function keysCommand(terminal: Terminal): Command {
  return new Command('keys')
    .summary('list and rotate the keys that sign agent cards and webhooks')
    .description(
      'The keys that sign agent cards and webhooks, in the database of DATABASE_URL, or in the embedded one.',
    )
    .addCommand(listCommand(terminal))
    .addCommand(rotateCommand(terminal));
}

function listCommand(terminal: Terminal): Command {
  return new Command('ls')
    .summary('list the keys with their states')
    .option('--json', 'print them as JSON')
    .action(async (options: { json?: boolean }) => {
      const keys = new SigningKeyRepository();
      const rows = await withDatabase(await settings(), async ({ database }) => keys.all(database.pool));
      const states = signingKeyStates(rows);
      const listed = rows.map((row, index) => ({ ...publicPart(row), state: states[index] ?? 'retired' }));
      if (options.json) terminal.json(listed, 2);
      else
        terminal.line(
          listed.length > 0 ? listed.map(keyText).join('\n') : 'There is no key yet: the first server makes it.',
        );
    });
}

function rotateCommand(terminal: Terminal): Command {
  return new Command('rotate')
    .summary('make the next key')
    .description(
      'Makes a new key. It is published at once and signs after the lead; the key before it stays published for the time ' +
        'to keep. Running servers follow by themselves.',
    )
    .option('--lead <duration>', 'how long it is published before it signs (10m)', duration, 600_000)
    .option('--keep <duration>', 'how long the old keys stay published after that (24h)', duration, 86_400_000)
    .option('--immediately', 'sign with it now and withdraw the old keys now, as after a theft')
    .addHelpText('after', '\nExit codes: 0 it is done; 1 it is not, and the message says why.')
    .action(async (options: RotateOptions) => {
      const config = await settings();
      const { lead, keep, immediately = false } = options;
      const times = immediately ? { leadMs: 0, keepMs: 0 } : { leadMs: lead, keepMs: keep };
      terminal.line(await rotate(config, times));
    });
}

async function rotate(config: Config, times: { leadMs: number; keepMs: number }): Promise<string> {
  const secrets = openSecrets(config);
  if (!secrets) throw new CliError('PERDURE_SECRET_KEY is not set: the key could not be encrypted.', ExitCode.start);
  const keys = new SigningKeyRepository();
  try {
    return await withDatabase(config, async ({ database, signals }) => {
      const id = await new KeyRotation(database, keys, secrets).rotate(times);
      signals.publish(SIGNING_KEY_SIGNALS);
      const row = (await keys.all(database.pool)).find((key) => key.id === id);
      return `Key ${id} is published; it signs from ${row?.signsFrom.toISOString()}.`;
    });
  } catch (error) {
    const pending = error instanceof CliError ? error.cause : error;
    if (!(pending instanceof RotationPendingError)) throw error;
    throw new CliError(`Not rotated: ${pending.message}. Add --immediately to replace it now.`, ExitCode.start);
  }
}

function settings(): Promise<Config> {
  return starting(async () => loadConfig());
}

/** Nothing of the private key, not even encrypted. */
function publicPart({ id, algorithm, createdAt, signsFrom, publishedUntil }: SigningKeyRow) {
  return { id, algorithm, createdAt, signsFrom, publishedUntil };
}

function keyText({
  id,
  algorithm,
  state,
  signsFrom,
  publishedUntil,
}: ReturnType<typeof publicPart> & { state: string }) {
  const until = publishedUntil === null ? '' : `, published until ${publishedUntil.toISOString()}`;
  return `${id}  ${algorithm}  ${state.padEnd(9)}  signs from ${signsFrom.toISOString()}${until}`;
}

function duration(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new InvalidArgumentError('Write it as 30s, 10m or 24h.');
  }
}
