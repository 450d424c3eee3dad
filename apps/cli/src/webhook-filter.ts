import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '#platform';

/** The options that say which deliveries are meant. */
export interface DeliveryOptions {
  readonly tenant?: string;
  readonly task?: string;
  readonly webhook?: string;
  readonly endpoint?: string;
  readonly since?: string;
}

/** Adds them to a command. */
export function withDeliveryFilter(command: Command): Command {
  return command
    .option('--tenant <tenant>', 'of this tenant; default: all of them')
    .option('--task <id>', 'of this task')
    .option('--webhook <uid>', 'to this webhook')
    .option('--endpoint <origin>', 'to this endpoint, such as https://example.com')
    .option('--since <time>', 'settled since: 24h ago or less, or 2026-11-22T02:30:00Z', since);
}

/** The filter as `/admin/v1` takes it. */
export function deliveryFilter({ tenant, task, webhook, endpoint, since: time }: DeliveryOptions) {
  return { tenant, task, webhook, endpoint, since: time };
}

/** A time, or how long ago it was, as a time. */
function since(text: string): string {
  const time = new Date(/^\d{4}-/.test(text) ? text : Date.now() - msOf(text));
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new InvalidArgumentError('Write it as 15m, 24h or 7d, or as 2026-11-22T02:30:00Z.');
}

function msOf(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    return NaN;
  }
}
