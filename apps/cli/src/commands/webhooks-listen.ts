import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '#platform';
import { type StreamResponseJson } from '#protocol';
import { jwkSet } from '../card-keys.js';
import { connectionReason } from '../call-error.js';
import { CliError, ExitCode } from '../cli-error.js';
import { stopSignal } from '../stop-signal.js';
import { duration, limitOf } from '../task-filter.js';
import { TaskPrinter } from '../task-printer.js';
import { type Terminal } from '../terminal.js';
import { firstLine } from '../text-table.js';
import { type ReceivedWebhook, WebhookReceiver } from '../webhook-receiver.js';

interface ListenOptions {
  readonly port: number;
  readonly secret?: readonly string[];
  readonly jwks?: string;
  readonly fail?: number;
  readonly times?: number;
  readonly delay?: string;
  readonly count?: number;
  readonly json?: boolean;
}

/** What was found out about a webhook. */
interface Verdict {
  readonly verification: 'verified' | 'refused' | 'unverified';
  readonly problems: readonly string[];
}

const EVENT_KINDS = ['task', 'message', 'statusUpdate', 'artifactUpdate'];
const BODY_WIDTH = 120;

const HELP = `
The server has to be allowed to send here: PERDURE_PUSH_ALLOW=127.0.0.1 (or 127.0.0.1:PORT).
The secret is the answer's header Webhook-Secret of the call that made the webhook; it may stand in PERDURE_WEBHOOK_SECRET.
What does not verify is answered with 401, the rest with 204, or as --fail says.

Exit codes: 0 it was stopped, or --count is reached; 1 the port cannot be had; 2 wrong usage.`;

/** `perdure webhooks listen`: a receiver on this machine that prints and verifies what comes. */
export function listenCommand(terminal: Terminal): Command {
  const secret = new Option('--secret <whsec>', 'a secret that webhooks are signed with; may be repeated');
  return new Command('listen')
    .summary('receive webhooks on this machine, and print them')
    .description('Receives webhooks on this machine, verifies them, and prints what they say.')
    .option('--port <number>', 'the port on 127.0.0.1; 0: any', portOf, 8090)
    .addOption(secret.env('PERDURE_WEBHOOK_SECRET').argParser(oneMore))
    .option('--jwks <url|file>', "the sender's JWK set, for webhooks signed with its keys")
    .option('--fail <status>', 'answer with this status on purpose, such as 500', statusOf)
    .option('--times <number>', 'with --fail: only the first so many', limitOf)
    .option('--delay <duration>', 'wait before each answer', duration)
    .option('--count <number>', 'end after so many', limitOf)
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', HELP)
    .action(async (options: ListenOptions) => {
      const listener = new Listener(terminal, options);
      const receiver = await started(options.port, listener);
      terminal.note(`Listening on ${receiver.url}/ …`);
      await Promise.race([stopSignal(), listener.done]);
      await receiver.stop();
    });
}

async function started(port: number, listener: Listener): Promise<WebhookReceiver> {
  try {
    return await WebhookReceiver.start(port, (webhook) => listener.take(webhook));
  } catch (cause) {
    throw new CliError(`Cannot listen on port ${port}: ${connectionReason(cause)}.`, ExitCode.start, { cause });
  }
}

/** Judges, prints and counts what comes. */
class Listener {
  /** Resolves when as many have come as were asked for. */
  readonly done: Promise<void>;
  private finish: () => void = () => undefined;
  private received = 0;
  private failed = 0;
  private readonly seen = new Set<string>();

  constructor(
    private readonly terminal: Terminal,
    private readonly options: ListenOptions,
  ) {
    this.done = new Promise((resolve) => (this.finish = resolve));
  }

  /** Resolves to the status to answer with. */
  async take(webhook: ReceivedWebhook): Promise<number> {
    const verdict = await this.judge(webhook);
    const status = this.statusFor(verdict);
    if (this.options.delay !== undefined) await delay(parseDuration(this.options.delay));
    this.print(webhook, verdict, status);
    this.received += 1;
    if (this.received === this.options.count) this.finish();
    return status;
  }

  private async judge({ headers, body }: ReceivedWebhook): Promise<Verdict> {
    const { secret: secrets = [], jwks } = this.options;
    if (secrets.length === 0 && jwks === undefined) return { verification: 'unverified', problems: [] };
    const { checkDelivery } = await import('#push');
    const keys = jwks === undefined ? [] : await jwkSet(jwks);
    const findings = await checkDelivery({ headers, body, secrets, keys });
    const problems = findings
      .filter(({ level }) => level === 'error')
      .map((found) => `${found.field} ${found.message}`);
    return { verification: problems.length > 0 ? 'refused' : 'verified', problems };
  }

  private statusFor({ verification }: Verdict): number {
    const { fail, times = Infinity } = this.options;
    if (fail !== undefined && this.failed < times) {
      this.failed += 1;
      return fail;
    }
    return verification === 'refused' ? 401 : 204;
  }

  private print({ path, headers, body }: ReceivedWebhook, { verification, problems }: Verdict, status: number): void {
    const id = headers['webhook-id'] ?? '';
    const isAgain = this.seen.has(id);
    this.seen.add(id);
    const isTest = headers['webhook-test'] === 'true';
    const text = body.toString('utf8');
    const event = jsonOf(text);
    const at = new Date().toISOString();
    if (this.options.json) {
      const marks = { ...(isAgain && { again: true }), ...(isTest && { test: true }) };
      this.terminal.json({ at, id, path, ...marks, verification, problems, status, body: event ?? text });
      return;
    }
    const marks = [verification, isAgain && 'again', isTest && 'a test'].filter(Boolean).join(', ');
    this.terminal.line(`${at}  ${status}  ${id}  ${marks}`);
    for (const problem of problems) this.terminal.line(problem);
    if (isEvent(event)) new TaskPrinter(this.terminal).event(event);
    else this.terminal.line(firstLine(text, BODY_WIDTH));
  }
}

function isEvent(json: unknown): json is StreamResponseJson {
  return typeof json === 'object' && json !== null && EVENT_KINDS.some((kind) => kind in json);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function oneMore(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('It is a whole number from 0 to 65535.');
}

function statusOf(text: string): number {
  if (/^[2-5]\d\d$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is an HTTP status from 200 to 599.');
}
