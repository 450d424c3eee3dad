import { readFile, stat } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type DeliveryEvidence, type DeliveryFinding } from '#push';
import { jwkSet } from '../card-keys.js';
import { CliError } from '../cli-error.js';
import { addHeader } from '../target.js';
import { type Terminal } from '../terminal.js';

interface VerifyOptions {
  readonly header?: Readonly<Record<string, string>>;
  readonly headers?: string;
  readonly secret?: readonly string[];
  readonly key?: readonly string[];
  readonly jwks?: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly at?: Date;
  readonly json?: boolean;
}

/** Larger than any body that is sent. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

const EXAMPLES = `
The secret may stand in PERDURE_WEBHOOK_SECRET, out of sight of others on this machine.

  perdure webhooks verify body.json --headers headers.txt --secret whsec_…
  perdure webhooks verify body.json --headers headers.json --jwks https://agents.example/.well-known/jwks.json

Exit codes: 0 it is authentic; 1 it is not, and the lines say why; 2 wrong usage.`;

/** `perdure webhooks verify`: checks a webhook that somebody has received, and says what is wrong with it. */
export function verifyCommand(terminal: Terminal): Command {
  return new Command('verify')
    .summary('check the signatures of a webhook that was received')
    .description(
      'Checks a webhook as it came: the signatures of Standard Webhooks with the secret of its config or with the keys ' +
        'that the server publishes, and the token in Authorization with those keys.',
    )
    .argument('[body]', 'the file with the body, byte for byte; default: stdin')
    .option("--header <'name: value'>", 'a header that came with it; may be repeated', addHeader)
    .option('--headers <file>', 'a file with the headers: name: value on each line, or a JSON object')
    .addOption(
      new Option('--secret <whsec>', 'a secret that may have signed it; may be repeated')
        .env('PERDURE_WEBHOOK_SECRET')
        .argParser(oneMore),
    )
    .option('--key <whpk>', 'an ed25519 key that may have signed it; may be repeated', oneMore)
    .option('--jwks <url|file>', "the sender's JWK set: its keys may have signed it, and the token")
    .option('--issuer <url>', "what the token has to name as its issuer: the sender's base URL")
    .option('--audience <url>', "what the token has to name as its audience: the webhook's URL")
    .option('--at <time>', 'when it came, for one that was kept: 2026-11-22T10:00:00Z', time)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string | undefined, options: VerifyOptions) => {
      const { checkDelivery } = await import('#push');
      const findings = await checkDelivery(await evidence(file, options, terminal));
      const isAuthentic = findings.every(({ level }) => level !== 'error');
      if (options.json) terminal.json({ authentic: isAuthentic, findings }, 2);
      else terminal.line([...findings.map(findingText), '', verdict(isAuthentic)].join('\n'));
      if (!isAuthentic) terminal.exitCode = 1;
    });
}

async function evidence(
  file: string | undefined,
  options: VerifyOptions,
  terminal: Terminal,
): Promise<DeliveryEvidence> {
  const { secret: secrets = [], issuer, audience, at } = options;
  const headers = { ...(options.headers !== undefined && (await headersIn(options.headers))), ...options.header };
  const keys = await keysOf(options);
  if (Object.keys(headers).length === 0) throw new CliError('No headers: give them with --headers or --header.');
  if (secrets.length + keys.length === 0) throw new CliError('Nothing to verify with: give --secret, --jwks or --key.');
  return { headers, body: await bodyOf(file, terminal), secrets, keys, issuer, audience, now: at };
}

async function bodyOf(file: string | undefined, terminal: Terminal): Promise<Uint8Array> {
  try {
    if (file === undefined || file === '-') return await terminal.input(MAX_BODY_BYTES);
    if ((await stat(file)).size > MAX_BODY_BYTES) throw new RangeError(`it has more than ${MAX_BODY_BYTES} bytes`);
    return await readFile(file);
  } catch (cause) {
    throw new CliError(`The body cannot be read: ${messageOf(cause)}`);
  }
}

async function headersIn(file: string): Promise<Record<string, string>> {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CliError(`The headers cannot be read: ${messageOf(cause)}`);
  }
  if (text.trimStart().startsWith('{')) return headersInJson(text, file);
  // A request as it went over the wire begins with a line that is no header.
  const lines = text.split(/\r?\n/).filter((line) => /^[^\s:]+:/.test(line));
  return Object.fromEntries(
    lines.map((line) => named(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1))),
  );
}

function headersInJson(text: string, file: string): Record<string, string> {
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
    return Object.fromEntries(entries.map(([name, value]) => named(name, String(value))));
  } catch {
    throw new CliError(`The headers in ${file} are neither lines of name: value nor a JSON object.`);
  }
}

function named(name: string, value: string): [string, string] {
  return [name.toLowerCase(), value.trim()];
}

async function keysOf({ jwks, key = [] }: VerifyOptions): Promise<NonNullable<DeliveryEvidence['keys']>> {
  const { webhookPublicKey } = await import('#push');
  const given = key.map((text) => {
    const jwk = webhookPublicKey(text);
    if (!jwk) throw new CliError(`${JSON.stringify(text)} is no key: it has the form whpk_ and 32 bytes in base64.`);
    return jwk;
  });
  if (jwks === undefined) return given;
  try {
    return [...given, ...(await jwkSet(jwks))];
  } catch (cause) {
    throw new CliError(`No keys: ${messageOf(cause)}`);
  }
}

function oneMore(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function time(text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('Write it as 2026-11-22T10:00:00Z.');
  return at;
}

function findingText({ level, field, message }: DeliveryFinding): string {
  return `${level.padEnd(7)}  ${field} ${message}`;
}

function verdict(isAuthentic: boolean): string {
  return isAuthentic ? 'The webhook is authentic.' : 'The webhook is not authentic, or cannot be shown to be.';
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
