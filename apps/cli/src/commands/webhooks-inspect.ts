import { Command, Option } from 'commander';
import { AdminClient } from '../admin-client.js';
import { limitOf, tenantOf } from '../task-filter.js';
import { type Terminal } from '../terminal.js';
import { counted, firstLine, textTable } from '../text-table.js';
import { deliveryFilter, type DeliveryOptions, withDeliveryFilter } from '../webhook-filter.js';
import {
  aboutDelivery,
  aboutWebhook,
  attemptTable,
  type Delivery,
  deliveryTable,
  type Webhook,
} from '../webhook-text.js';
import { onServer, pages } from './tasks-inspect.js';

interface ListOptions {
  readonly tenant?: string;
  readonly task?: string;
  readonly endpoint?: string;
  readonly disabled?: boolean;
  readonly failing?: boolean;
  readonly endpoints?: boolean;
  readonly limit: number;
  readonly json?: boolean;
}

interface LogOptions extends DeliveryOptions {
  readonly state?: string;
  readonly limit: number;
  readonly json?: boolean;
}

/** An endpoint as `/admin/v1` shows it. */
interface Endpoint {
  readonly tenant: string;
  readonly endpoint: string;
  readonly health: string;
  readonly failures: number;
  readonly failingSince?: string;
  readonly pausedUntil?: string;
  readonly waiting: number;
  readonly disabled: number;
  readonly pending: number;
  readonly oldestAt?: string;
}

const PAGE = 100;
const URL_WIDTH = 60;
/** Deliveries that are shown with their webhook. */
const SHOWN = 10;

/** `perdure webhooks ls|show|log|dead`: how webhooks stand, across tenants and agents. */
export function webhookInspectCommands(terminal: Terminal): Command[] {
  return [
    listCommand(terminal),
    showCommand(terminal),
    logCommand(terminal, 'log', 'Lists deliveries with their last attempt, the newest of each task first.'),
    logCommand(terminal, 'dead', 'Lists dead letters: deliveries that were given up after their last attempt.'),
  ];
}

function listCommand(terminal: Terminal): Command {
  return onServer(new Command('ls').description('Lists webhooks with their health and what waits for them.'))
    .option('--tenant <tenant>', 'of this tenant; default: all of them')
    .option('--task <id>', 'of this task')
    .option('--endpoint <origin>', 'with this endpoint, such as https://example.com')
    .option('--disabled', 'only those that nothing is sent to')
    .option('--failing', 'only those whose endpoint fails')
    .option('--endpoints', 'list endpoints instead: those with something to send, or that fail')
    .option('--limit <number>', 'print at most so many', limitOf, 20)
    .option('--json', 'print JSON')
    .action(async (url: string, options: ListOptions) => {
      const { endpoints, limit, json, ...filter } = options;
      const tenant = tenantOf(url, options);
      if (endpoints) return printEndpoints(terminal, url, { tenant, limit, json });
      const list = listOf<Webhook>(url, '', 'webhooks', { ...filter, tenant }, limit);
      const { items, more } = await firstOf(list, limit);
      if (json) return terminal.json(items, 2);
      if (items.length > 0) terminal.line(webhookTable(items));
      noteCount(terminal, items.length, 'webhook', more);
    });
}

async function printEndpoints(
  terminal: Terminal,
  url: string,
  { tenant, limit, json }: { readonly tenant?: string; readonly limit: number; readonly json?: boolean },
): Promise<void> {
  const { items, more } = await firstOf(listOf<Endpoint>(url, '/endpoints', 'endpoints', { tenant }, limit), limit);
  if (json) return terminal.json(items, 2);
  if (items.length > 0) terminal.line(endpointTable(items));
  noteCount(terminal, items.length, 'endpoint', more);
}

function showCommand(terminal: Terminal): Command {
  return onServer(
    new Command('show').description('Shows a webhook with its last deliveries, or a delivery with its attempts.'),
  )
    .argument('<id>', 'the uid of a webhook, or the id of a delivery')
    .option('--json', 'print JSON')
    .action(async (url: string, id: string, { json }: { readonly json?: boolean }) => {
      const client = AdminClient.ofWebhooks(url);
      if (id.includes('_')) {
        const delivery = await client.get<Delivery>(`/deliveries/${encodeURIComponent(id)}`);
        if (json) return terminal.json(delivery, 2);
        terminal.line(aboutDelivery(delivery));
        if (delivery.log && delivery.log.length > 0) terminal.line(`\n${attemptTable(delivery.log)}`);
        return;
      }
      const webhook = await client.get<Webhook>(`/${encodeURIComponent(id)}`);
      const list = listOf<Delivery>(url, '/deliveries', 'deliveries', { webhook: webhook.webhook }, SHOWN);
      const { items } = await firstOf(list, SHOWN);
      if (json) return terminal.json({ ...webhook, deliveries: items }, 2);
      terminal.line(aboutWebhook(webhook));
      if (items.length > 0) terminal.line(`\n${deliveryTable(items)}`);
    });
}

function logCommand(terminal: Terminal, name: 'log' | 'dead', description: string): Command {
  const command = withDeliveryFilter(onServer(new Command(name).description(description)))
    .option('--limit <number>', 'print at most so many', limitOf, 20)
    .option('--json', 'print JSON');
  const states = new Option('--state <state>', 'in this state').choices(['pending', 'delivered', 'dead', 'skipped']);
  if (name === 'log') command.addOption(states);
  return command.action(async (url: string, options: LogOptions) => {
    const state = name === 'dead' ? name : options.state;
    const filter = { ...deliveryFilter(options), tenant: tenantOf(url, options), state };
    const list = listOf<Delivery>(url, '/deliveries', 'deliveries', filter, options.limit);
    const { items, more } = await firstOf(list, options.limit);
    if (options.json) return terminal.json(items, 2);
    if (items.length > 0) terminal.line(deliveryTable(items));
    noteCount(terminal, items.length, 'delivery', more);
  });
}

/** All items of a list of the server, which gives them under `name`; pages are no larger than needed. */
function listOf<Item>(
  url: string,
  path: string,
  name: string,
  filter: Readonly<Record<string, string | boolean | undefined>>,
  limit: number,
): AsyncGenerator<Item> {
  const client = AdminClient.ofWebhooks(url);
  return pages(async (cursor) => {
    const query = { ...filter, limit: Math.min(PAGE, limit + 1), cursor };
    const page = await client.get<Record<string, unknown>>(path, query);
    return { items: page[name] as Item[], nextCursor: page.nextCursor as string | undefined };
  });
}

async function firstOf<Item>(list: AsyncIterable<Item>, limit: number): Promise<{ items: Item[]; more: boolean }> {
  const items: Item[] = [];
  for await (const item of list) {
    if (items.length === limit) return { items, more: true };
    items.push(item);
  }
  return { items, more: false };
}

function noteCount(terminal: Terminal, count: number, noun: string, more: boolean): void {
  terminal.note(more ? `${counted(count, noun)}, and there are more: see --limit` : counted(count, noun));
}

function webhookTable(webhooks: readonly Webhook[]): string {
  const rows = webhooks.map(({ webhook, tenant, task, url, health, queue }) => [
    ...[webhook, tenant, task, health, String(queue.pending), String(queue.dead), queue.dueAt ?? ''],
    firstLine(url, URL_WIDTH),
  ]);
  return textTable(['WEBHOOK', 'TENANT', 'TASK', 'HEALTH', 'WAITING', 'DEAD', 'NEXT', 'URL'], rows);
}

function endpointTable(endpoints: readonly Endpoint[]): string {
  const rows = endpoints.map((endpoint) => [
    ...[endpoint.tenant, endpoint.endpoint, endpoint.health, String(endpoint.failures), endpoint.failingSince ?? ''],
    ...[endpoint.pausedUntil ?? '', String(endpoint.pending), endpoint.oldestAt ?? '', String(endpoint.disabled)],
  ]);
  const headings = ['TENANT', 'ENDPOINT', 'HEALTH', 'FAILURES', 'FAILING SINCE', 'PAUSED UNTIL', 'WAITING', 'OLDEST'];
  return textTable([...headings, 'DISABLED'], rows);
}
