import { type Command, InvalidArgumentError, Option } from 'commander';
import { IDEMPOTENCY_EXTENSION } from '#agents';
import { parseDuration } from '#platform';
import { A2AClient } from './a2a-client.js';
import { type AgentAddress, fetchCard, jsonRpcInterface } from './agent-address.js';

/** The options that say which agent a client command talks to, and as whom. */
export interface TargetOptions {
  readonly agent?: string;
  readonly tenant?: string;
  readonly header?: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly patience?: number;
}

/** A connected agent. */
export interface Target {
  readonly client: A2AClient;
  /** The `tenant` field of every request; undefined where none is given. */
  readonly tenant?: string;
  /** Whether its card says that a message sent again under the same idempotency key does nothing twice. */
  readonly honoursKeys: boolean;
  /** How long a server that is gone is waited for. */
  readonly patienceMs: number;
  /** Rejects while the server cannot be reached. */
  reach(): Promise<unknown>;
}

const DEFAULT_PATIENCE = '5m';

/** Adds the URL argument and the options of a {@link Target} to a command. */
export function withTarget(command: Command): Command {
  return command
    .argument('<url>', 'a server (http://host:8080), an agent (…/agents/ID) or an agent card (….json)')
    .option('--agent <id>', 'the agent ID of the server: short for URL/agents/ID')
    .option('--tenant <tenant>', "the tenant to act in; default: the one in the agent's card, if any")
    .option(
      "--header <'name: value'>",
      'a header for every request, such as Authorization; may be repeated',
      addHeader,
    );
}

/** Adds the option for how long a command that follows a task waits for a server that is gone. */
export function withPatience(command: Command): Command {
  const option = new Option('--patience <duration>', 'how long to wait for a server that is gone; 0 gives up at once');
  return command.addOption(option.argParser(durationOf).default(parseDuration(DEFAULT_PATIENCE), DEFAULT_PATIENCE));
}

/** The address that the URL argument and the options name. */
export function addressOf(url: string, options: TargetOptions): AgentAddress {
  return { url, agent: options.agent, headers: options.header ?? {} };
}

/** Reads the agent's card and connects to the JSON-RPC interface it names. Rejects with a CliError. */
export async function connect(url: string, options: TargetOptions): Promise<Target> {
  const address = addressOf(url, options);
  const card = await fetchCard(address);
  const endpoint = jsonRpcInterface(card, address);
  return {
    client: new A2AClient(endpoint.url, address.headers),
    tenant: options.tenant ?? endpoint.tenant,
    honoursKeys: (card.capabilities?.extensions ?? []).some(({ uri }) => uri === IDEMPOTENCY_EXTENSION.uri),
    patienceMs: options.patience ?? 0,
    reach: () => fetchCard(address),
  };
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new InvalidArgumentError('Write it as 30s, 5m or 1h.');
  }
}

/** Takes one more header from the command line, with its name in lower case. */
export function addHeader(text: string, headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([\t\x20-\x7e]*)$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError("Write it as 'name: value'.");
  return { ...headers, [(match[1] ?? '').toLowerCase()]: match[2] ?? '' };
}
