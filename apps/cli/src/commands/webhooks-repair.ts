import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { parseDuration } from '#platform';
import { AdminClient } from '../admin-client.js';
import { CliError, ExitCode } from '../cli-error.js';
import { confirmed } from '../confirmation.js';
import { PAGE, possible, reportPages } from '../report-pages.js';
import { type ActionReport, ReportPrinter } from '../report-printer.js';
import { duration, limitOf, tenantOf } from '../task-filter.js';
import { type Terminal } from '../terminal.js';
import { deliveryFilter, type DeliveryOptions, withDeliveryFilter } from '../webhook-filter.js';
import { aboutDelivery, attemptTable, type Delivery } from '../webhook-text.js';
import { onServer } from './tasks-inspect.js';

interface RecoverOptions extends DeliveryOptions {
  readonly limit: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

interface TestOptions {
  readonly wait: string;
  readonly json?: boolean;
}

interface EnableOptions {
  readonly endpoint?: string;
  readonly tenant?: string;
  readonly json?: boolean;
}

/** What the server reports of one delivery. */
interface Report extends ActionReport {
  readonly delivery: string;
}

const POLL_MS = 250;
const EXIT_CODES = '\nExit codes: 0 it is done for all of them; 1 some refused it, or it needs --yes; 2 an error.';

/** `perdure webhooks resend|recover|test|rotate|enable`: what operators do to webhooks. */
export function webhookRepairCommands(terminal: Terminal): Command[] {
  return [
    resendCommand(terminal),
    recoverCommand(terminal),
    testCommand(terminal),
    rotateCommand(terminal),
    enableCommand(terminal),
  ];
}

function resendCommand(terminal: Terminal): Command {
  return onServer(
    new Command('resend').description('Sends deliveries again under their ids, or makes their next attempt now.'),
  )
    .argument('<deliveries...>', 'ids of deliveries')
    .option('--dry-run', 'only print what would be done')
    .option('--json', 'print JSON')
    .addHelpText('after', EXIT_CODES)
    .action(async (url: string, ids: string[], { dryRun = false, json }: { dryRun?: boolean; json?: boolean }) => {
      const client = AdminClient.ofWebhooks(url);
      const printer = reportPrinter(terminal, json);
      try {
        for (let from = 0; from < ids.length; from += PAGE) {
          const page = { ids: ids.slice(from, from + PAGE), dryRun };
          printer.print((await client.post<{ results: Report[] }>('/resend', page)).results);
        }
      } finally {
        printer.end();
      }
    });
}

function recoverCommand(terminal: Terminal): Command {
  const recover = new Command('recover').description('Sends dead letters again, the oldest of each webhook first.');
  return withDeliveryFilter(onServer(recover))
    .option('--limit <number>', 'at most so many', limitOf, 1_000)
    .option('--dry-run', 'only print what would be done')
    .option('--yes', 'do it without asking')
    .option('--json', 'print JSON')
    .addHelpText('after', EXIT_CODES)
    .action(async (url: string, options: RecoverOptions) => {
      const { dryRun = false, yes, json } = options;
      const recovered = (dry: boolean) => recoveries(url, options, dry);
      if (!dryRun && !yes && !(await confirmed(terminal, 'recover', await possible(recovered(true)), 'delivery')))
        return;
      const printer = reportPrinter(terminal, json);
      try {
        for await (const page of recovered(dryRun)) printer.print(page);
      } finally {
        printer.end();
      }
    });
}

function recoveries(url: string, options: RecoverOptions, dryRun: boolean): AsyncIterable<readonly Report[]> {
  const filter = { ...deliveryFilter(options), tenant: tenantOf(url, options), dryRun };
  return reportPages(AdminClient.ofWebhooks(url), '/recover', filter, options.limit);
}

function testCommand(terminal: Terminal): Command {
  const about =
    'Sends a webhook the task as it is now, signed, and marked as a test by the header Webhook-Test; prints what came of it.';
  return onServer(new Command('test').description(about))
    .argument('<webhook>', 'the uid of the webhook')
    .option('--wait <duration>', 'how long to wait for the outcome', duration, '30s')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit codes: 0 it was delivered; 1 it failed, or nothing has come of it yet; 2 an error.')
    .action(async (url: string, webhook: string, { wait, json }: TestOptions) => {
      const client = AdminClient.ofWebhooks(url);
      const { delivery: id } = await client.post<{ delivery: string }>('/test', { webhook });
      terminal.progress.show('waiting for the receiver');
      const delivery = await settled(client, id, parseDuration(wait));
      terminal.progress.hide();
      if (delivery.state !== 'delivered') terminal.exitCode = ExitCode.task;
      if (json) return terminal.json(delivery, 2);
      terminal.line(aboutDelivery(delivery));
      if (delivery.log && delivery.log.length > 0) terminal.line(`\n${attemptTable(delivery.log)}`);
      else terminal.note(`Nothing has come of it within ${wait}: perdure webhooks show URL ${id} has it later.`);
    });
}

/** The delivery once its attempt is made, or as it is when the time is over. */
async function settled(client: AdminClient, id: string, waitMs: number): Promise<Delivery> {
  const end = performance.now() + waitMs;
  for (;;) {
    const delivery = await client.get<Delivery>(`/deliveries/${encodeURIComponent(id)}`);
    if (delivery.state !== 'pending' || performance.now() >= end) return delivery;
    await delay(POLL_MS);
  }
}

function rotateCommand(terminal: Terminal): Command {
  return onServer(
    new Command('rotate').description('Gives a webhook a new secret, which is printed here and never again.'),
  )
    .argument('<webhook>', 'the uid of the webhook')
    .option('--keep <duration>', 'how long the old secret signs as well, at most 7d; 0s: not at all', duration, '24h')
    .option('--json', 'print JSON')
    .action(async (url: string, webhook: string, { keep, json }: { keep: string; json?: boolean }) => {
      const answer = await AdminClient.ofWebhooks(url).post<{ secret: string; previousUntil?: string }>('/rotate', {
        webhook,
        keep,
      });
      if (json) return terminal.json(answer, 2);
      terminal.line(answer.secret);
      const until = answer.previousUntil;
      terminal.note(until ? `The old secret signs as well until ${until}.` : 'The old secret signs no more.');
    });
}

function enableCommand(terminal: Terminal): Command {
  const about = 'Has a webhook, or all those with an endpoint, tried again; what has waited goes out.';
  return onServer(new Command('enable').description(about))
    .argument('[webhook]', 'the uid of the webhook')
    .option('--endpoint <origin>', 'the endpoint, such as https://example.com')
    .option('--tenant <tenant>', 'the tenant whose endpoint it is (default)')
    .option('--json', 'print JSON')
    .action(async (url: string, webhook: string | undefined, { endpoint, json, ...options }: EnableOptions) => {
      if ((webhook === undefined) === (endpoint === undefined)) {
        throw new CliError('Say what to enable: the uid of a webhook, or --endpoint.');
      }
      const body = endpoint === undefined ? { webhook } : { endpoint, tenant: tenantOf(url, options) };
      const answer = await AdminClient.ofWebhooks(url).post<{ text: string }>('/enable', body);
      if (json) terminal.json(answer, 2);
      else terminal.line(answer.text);
    });
}

function reportPrinter(terminal: Terminal, json: boolean | undefined): ReportPrinter<Report> {
  return new ReportPrinter(terminal, { noun: 'delivery', nameOf: ({ delivery }) => delivery, json });
}
