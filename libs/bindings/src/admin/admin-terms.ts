import { type Config } from '#platform';
import { type AdminFields } from './admin-fields.js';

/** The settings that bound a page. */
export type Limits = Pick<Config, 'pageSizeMax'>;

/** What a page of a list takes beside its filter. */
export const PAGING = ['limit', 'cursor'];
/** Characters of a name. */
export const NAME_LENGTH = 256;
/** The largest number of an event, a turn or a page. */
export const MAX_INTEGER = 2 ** 31 - 1;

const CURSOR_LENGTH = 1_024;
/** Items on a page where the caller does not say. */
const PAGE = 50;
const ROUTING_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const ROUTING_RULE = 'must be 1 to 64 letters, digits, dots, dashes or underscores';

/** All readers here throw A2AError INVALID_PARAMS naming the field. */
export function tenantOf(fields: AdminFields): string | undefined {
  return routingName(fields, 'tenant');
}

/** The name of a tenant or of an agent. */
export function routingName(fields: AdminFields, name: string): string | undefined {
  const text = fields.text(name, NAME_LENGTH);
  return text === undefined || isRoutingName(text) ? text : fields.refuse(name, ROUTING_RULE);
}

/** Whether it may be the name of a tenant or of an agent. */
export function isRoutingName(value: unknown): value is string {
  return typeof value === 'string' && ROUTING_NAME.test(value);
}

/** A page holds no more than the setting says, whatever is asked for. */
export function limitOf(fields: AdminFields, { pageSizeMax }: Limits): number {
  return Math.min(fields.integer('limit', 1, MAX_INTEGER) ?? PAGE, pageSizeMax);
}

/** Where a page begins, as it was given out. */
export function cursorOf(fields: AdminFields): string | undefined {
  return fields.text('cursor', CURSOR_LENGTH);
}
