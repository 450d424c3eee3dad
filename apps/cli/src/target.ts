import { type Command, InvalidArgumentError } from 'commander';
import { A2AClient } from './a2a-client.js';
import { type AgentAddress, fetchCard, jsonRpcInterface } from './agent-address.js';

/** The options that say which agent a client command talks to, and as whom. */
export interface TargetOptions {
  readonly agent?: string;
  readonly tenant?: string;
  readonly header?: Readonly<Record<string, string>>;
}

/** A connected agent: the client, and the `tenant` field of every request (undefined where none is given). */
export interface Target {
  readonly client: A2AClient;
  readonly tenant?: string;
}

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

/** The address that the URL argument and the options name. */
export function addressOf(url: string, options: TargetOptions): AgentAddress {
  return { url, agent: options.agent, headers: options.header ?? {} };
}

/** Reads the agent's card and connects to the JSON-RPC interface it names. Rejects with a CliError. */
export async function connect(url: string, options: TargetOptions): Promise<Target> {
  const address = addressOf(url, options);
  const endpoint = jsonRpcInterface(await fetchCard(address), address);
  const client = new A2AClient(endpoint.url, address.headers);
  return { client, tenant: options.tenant ?? endpoint.tenant };
}

function addHeader(text: string, headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([\t\x20-\x7e]*)$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError("Write it as 'name: value'.");
  return { ...headers, [(match[1] ?? '').toLowerCase()]: match[2] ?? '' };
}
