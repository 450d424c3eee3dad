import { firstLine, textTable } from './text-table.js';

/** A webhook as `/admin/v1` shows it. */
export interface Webhook {
  readonly webhook: string;
  readonly tenant: string;
  readonly task: string;
  readonly id: string;
  readonly owner: string;
  readonly url: string;
  readonly endpoint: string;
  readonly authentication?: string;
  readonly hasToken: boolean;
  readonly filter?: unknown;
  readonly dialect?: string;
  readonly createdAt: string;
  readonly previousSecretUntil?: string;
  readonly health: string;
  readonly failures: number;
  readonly failingSince?: string;
  readonly pausedUntil?: string;
  readonly disabledAt?: string;
  readonly disabledReason?: string;
  readonly queue: {
    readonly pending: number;
    readonly resending: number;
    readonly dead: number;
    readonly oldestAt?: string;
    readonly dueAt?: string;
    readonly failures?: number;
  };
}

/** One attempt as `/admin/v1` shows it. */
export interface Attempt {
  readonly attempt?: number;
  readonly at: string;
  readonly latencyMs: number;
  readonly status?: number;
  readonly error?: string;
  readonly response?: string;
}

/** A delivery as `/admin/v1` shows it; with its log where it was asked for alone. */
export interface Delivery {
  readonly delivery: string;
  readonly webhook: string;
  readonly tenant: string;
  readonly task: string;
  readonly sequence?: number;
  readonly state: string;
  readonly attempts: number;
  readonly createdAt: string;
  readonly settledAt?: string;
  readonly nextAt?: string;
  readonly last?: Attempt;
  readonly log?: readonly Attempt[];
}

const RESPONSE_WIDTH = 60;

/** All that is known of a webhook, a line each. */
export function aboutWebhook(webhook: Webhook): string {
  const { queue, filter } = webhook;
  return lines([
    ['webhook', webhook.webhook],
    ['task', `${webhook.task} of the tenant ${webhook.tenant}`],
    ['id', webhook.id],
    ['owner', webhook.owner],
    ['url', webhook.url],
    ['sends', sent(webhook)],
    ['filter', filter === undefined ? undefined : JSON.stringify(filter)],
    ['dialect', webhook.dialect],
    ['created', webhook.createdAt],
    ['health', healthText(webhook)],
    ['waiting', queue.oldestAt === undefined ? '0' : `${queue.pending}, the oldest since ${queue.oldestAt}`],
    ['head', queue.failures ? `has failed ${queue.failures} times` : undefined],
    ['next', queue.dueAt],
    ['resending', queue.resending > 0 ? String(queue.resending) : undefined],
    ['dead', String(queue.dead)],
    ['rotation', webhook.previousSecretUntil && `the old secret signs too until ${webhook.previousSecretUntil}`],
  ]);
}

/** All that is known of a delivery, a line each. */
export function aboutDelivery(delivery: Delivery): string {
  return lines([
    ['delivery', delivery.delivery],
    ['webhook', delivery.webhook],
    ['task', `${delivery.task} of the tenant ${delivery.tenant}`],
    ['event', delivery.sequence === undefined ? 'none: it is a test' : String(delivery.sequence)],
    ['state', delivery.settledAt ? `${delivery.state} since ${delivery.settledAt}` : delivery.state],
    ['attempts', String(delivery.attempts)],
    ['created', delivery.createdAt],
    ['next', delivery.nextAt],
  ]);
}

/** Deliveries with their last attempt. */
export function deliveryTable(deliveries: readonly Delivery[]): string {
  const rows = deliveries.map(({ delivery, state, attempts, createdAt, nextAt = '', last }) => [
    ...[delivery, state, createdAt, String(attempts), last ? outcomeText(last) : '', latencyText(last), nextAt],
  ]);
  return textTable(['DELIVERY', 'STATE', 'CREATED', 'ATTEMPTS', 'LAST', 'LATENCY', 'NEXT'], rows);
}

/** The log of a delivery. */
export function attemptTable(attempts: readonly Attempt[]): string {
  const rows = attempts.map((attempt) => [
    ...[String(attempt.attempt ?? ''), attempt.at, outcomeText(attempt), latencyText(attempt)],
    firstLine(attempt.response ?? '', RESPONSE_WIDTH),
  ]);
  return textTable(['ATTEMPT', 'AT', 'OUTCOME', 'LATENCY', 'RESPONSE'], rows);
}

/** The status that came, or why none did. */
export function outcomeText({ status, error }: Attempt): string {
  return [status, error].filter((part) => part !== undefined).join(' ');
}

function latencyText(attempt: Attempt | undefined): string {
  return attempt === undefined ? '' : `${attempt.latencyMs} ms`;
}

function healthText({ health, failures, failingSince, pausedUntil, disabledAt, disabledReason }: Webhook): string {
  if (disabledAt !== undefined) return `disabled since ${disabledAt}: ${disabledReason ?? 'by its operator'}`;
  if (failures === 0) return health;
  const until = pausedUntil === undefined ? '' : `, paused until ${pausedUntil}`;
  return `${health}: ${failures} failures of its endpoint in a row since ${failingSince ?? ''}${until}`;
}

function sent({ authentication, hasToken }: Webhook): string {
  const also = [authentication && `credentials (${authentication})`, hasToken && 'a token'].filter(Boolean);
  return ['signatures', ...also].join(', ');
}

function lines(given: readonly (readonly [string, string | undefined])[]): string {
  return given
    .filter((line): line is [string, string] => line[1] !== undefined)
    .map(([name, text]) => `${name.padEnd(9)}  ${text}`)
    .join('\n');
}
