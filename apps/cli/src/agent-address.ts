import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { fetch } from 'undici';
import { type AgentCardJson, AgentCardSchema, type AgentInterfaceJson, toJsonObject } from '#protocol';
import { connectionReason, TransportError } from './call-error.js';
import { CliError } from './cli-error.js';
import { textOf } from './http-document.js';

const CARD_PATH = '/.well-known/agent-card.json';
const CARD_TIMEOUT_MS = 30_000;

/** Which agent is meant: a URL of a server, an agent or a card, the agent's id below it, and headers of every request. */
export interface AgentAddress {
  readonly url: string;
  readonly agent?: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where the card of the agent stands. Throws a CliError where the URL is none of http or https. */
export function cardUrl({ url, agent }: Pick<AgentAddress, 'url' | 'agent'>): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (!base || !/^https?:$/.test(base.protocol)) {
    throw new CliError(`"${url}" is not a URL of a server: it starts with http:// or https://`);
  }
  if (!agent && base.pathname.endsWith('.json')) return base;
  const path = base.pathname.replace(/\/(\.well-known\/agent(-card)?\.json)?$/, '');
  base.pathname = `${path}${agent ? `/agents/${encodeURIComponent(agent)}` : ''}${CARD_PATH}`;
  return base;
}

/** Fetches the agent's card. Rejects with a {@link TransportError} when none is there. */
export async function fetchCard(address: AgentAddress): Promise<AgentCardJson> {
  const url = cardUrl(address);
  const { status, text } = await get(url, address.headers);
  if (status !== 200) throw new TransportError(`There is no agent card at ${url.href}: HTTP ${status}.`, false);
  try {
    const card = fromJson(AgentCardSchema, JSON.parse(text) as JsonValue, { ignoreUnknownFields: true });
    return toJsonObject(AgentCardSchema, card);
  } catch (cause) {
    throw new TransportError(`What stands at ${url.href} is not an agent card of A2A 1.0.`, false, { cause });
  }
}

async function get(url: URL, headers: Readonly<Record<string, string>>): Promise<{ status: number; text: string }> {
  try {
    const signal = AbortSignal.timeout(CARD_TIMEOUT_MS);
    const response = await fetch(url, {
      headers: { ...headers, accept: 'application/json', 'a2a-version': '1.0' },
      signal,
    });
    return { status: response.status, text: await textOf(response) };
  } catch (error) {
    throw new TransportError(`No answer from ${url.href}: ${connectionReason(error)}.`, true, { cause: error });
  }
}

/** The card's first JSON-RPC interface of A2A 1.x, its URL made absolute. Throws a CliError where it has none. */
export function jsonRpcInterface(card: AgentCardJson, address: AgentAddress): AgentInterfaceJson & { url: string } {
  const interfaces = card.supportedInterfaces ?? [];
  const found = interfaces.find(
    ({ protocolBinding, protocolVersion, url }) =>
      protocolBinding === 'JSONRPC' && protocolVersion?.startsWith('1.') && url !== undefined,
  );
  if (!found) {
    const offered = interfaces.map((entry) => `${entry.protocolBinding} ${entry.protocolVersion}`).join(', ');
    throw new CliError(`The agent offers no JSON-RPC interface of A2A 1.0; its card has ${offered || 'none at all'}.`);
  }
  const base = cardUrl(address);
  if (!URL.canParse(found.url ?? '', base.href))
    throw new CliError(`The card's JSON-RPC URL cannot be used: ${found.url}`);
  return { ...found, url: new URL(found.url ?? '', base).href };
}
