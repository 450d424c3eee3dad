import { type Agent, type AgentRegistry } from '#agents';
import { A2AError } from '#protocol';

/** What a URL says about whom a call is for, percent-decoded: `/agents/{agent}/{tenant}`, each part optional. */
export interface PathAddress {
  readonly agent?: string;
  /** A routing key, `[tenant][/agent]`. */
  readonly tenant?: string;
}

/** Whom a call is for. */
export interface Address {
  readonly tenant: string;
  readonly agent: Agent;
}

/**
 * There is no such agent here, or URL and message name different ones. Says TASK_NOT_FOUND whatever was asked: what is not
 * yours is answered exactly like what is not there. Over HTTP its status is 404.
 */
export class NotServedError extends A2AError {
  constructor() {
    super('TASK_NOT_FOUND', { message: 'Task not found: nothing is served under this address' });
  }
}

/** The tenant of calls that name none. */
export const DEFAULT_TENANT = 'default';
/** What means something else where a URL has the tenant: the server's own paths begin so, and clients resolve dots away. */
const RESERVED = [
  ...['.', '..', '.well-known', 'admin', 'agents', 'callbacks'],
  ...['extendedAgentCard', 'health', 'tasks', 'v1'],
];
const ROUTING_KEY = /^([A-Za-z0-9_.-]{1,64})?(?:\/([A-Za-z0-9_.-]{1,64}))?$/;

/**
 * Whom a call is for, by its URL and by the `tenant` field of its message (a routing key `[tenant][/agent]` too). What
 * neither says is the tenant `default` and the server's default agent.
 * Throws A2AError INVALID_PARAMS that names `tenant` for a malformed key or a reserved name, NotServedError where there is nothing.
 */
export function resolveAddress(agents: AgentRegistry, path: PathAddress, field = ''): Address {
  const keys = [{ agent: path.agent }, routingKey(path.tenant ?? ''), routingKey(field)];
  const tenant = agreed(keys.map((key) => key.tenant)) ?? DEFAULT_TENANT;
  const id = agreed(keys.map((key) => key.agent));
  const agent = id === undefined ? agents.default : agents.get(id);
  if (!agent) throw new NotServedError();
  return { tenant, agent };
}

function routingKey(text: string): { tenant?: string; agent?: string } {
  const match = ROUTING_KEY.exec(text);
  if (!match) {
    throw A2AError.invalidParams(
      'tenant',
      'must be [tenant][/agent], each 1 to 64 letters, digits, dots, dashes or underscores',
    );
  }
  const [, tenant, agent] = match;
  if (tenant !== undefined && RESERVED.includes(tenant)) {
    throw A2AError.invalidParams(
      'tenant',
      `must not be one of ${RESERVED.join(' ')}: they mean something else in a URL`,
    );
  }
  return { tenant, agent };
}

function agreed(values: readonly (string | undefined)[]): string | undefined {
  const given = values.filter((value) => value !== undefined);
  if (given.some((value) => value !== given[0])) throw new NotServedError();
  return given[0];
}
