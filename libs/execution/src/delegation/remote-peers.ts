import type { AgentCard } from '@a2a-js/sdk';
import type { Client } from '@a2a-js/sdk/client';
import { IDEMPOTENCY_EXTENSION, PUSH_FILTER_EXTENSION } from '#agents';
import { decodeProtectedHeader } from 'jose';
import { type PeerWire } from './peer-wire.js';
import { PeerError } from './peer.js';

/** A peer that has been discovered. */
export interface DiscoveredPeer {
  readonly client: Client;
  /** Whether tasks can be watched. */
  readonly streams: boolean;
  /** Whether the same message under the same key is taken once. */
  readonly honoursKeys: boolean;
  /** How it calls when there is news of a task, where it does; taken away from a peer that has refused to. */
  push?: PeerPush;
}

/** What a peer's card says of its push notifications. */
export interface PeerPush {
  /** Whether it can be told which of them to send. */
  readonly filters: boolean;
  /** URL of the JWK set whose keys it signs them with, where it does. */
  readonly jwks: string | undefined;
}

const CARD_PATH = '/.well-known/agent-card.json';
/** A card is read anew after this: the peer may have moved. */
const CARD_MS = 5 * 60_000;
const MAX_PEERS = 1_000;

interface Known {
  readonly peer: Promise<DiscoveredPeer>;
  readonly until: number;
}

/** The remote agents that this process has spoken to lately, by the URL of their card. */
export class RemotePeers {
  private readonly known = new Map<string, Known>();

  constructor(private readonly wire: PeerWire) {}

  /** The peer whose card is at this URL, or below it at the well-known path. Rejects with a PeerError. */
  async at(url: string): Promise<DiscoveredPeer> {
    const card = cardUrl(url);
    const known = this.known.get(card.href);
    if (known && known.until > performance.now()) return known.peer;
    const peer = this.discover(card);
    this.known.delete(card.href);
    this.known.set(card.href, { peer, until: performance.now() + CARD_MS });
    for (const [oldest] of this.known) if (this.known.size > MAX_PEERS) this.known.delete(oldest);
    peer.catch(() => this.forget(card, peer));
    return peer;
  }

  private forget({ href }: URL, peer: Promise<DiscoveredPeer>): void {
    if (this.known.get(href)?.peer === peer) this.known.delete(href);
  }

  private async discover(card: URL): Promise<DiscoveredPeer> {
    // Loaded by the first delegation that leaves the server: most processes never need it.
    const sdk = await import('@a2a-js/sdk/client');
    const options = { fetchImpl: this.wire.fetchFor(card), legacyCompat: { enabled: true } };
    const cardResolver = new sdk.DefaultAgentCardResolver(options);
    const transports = [new sdk.JsonRpcTransportFactory(options), new sdk.RestTransportFactory(options)];
    try {
      const found = await cardResolver.resolve(card.href, '');
      const client = await new sdk.ClientFactory({ transports, cardResolver }).createFromAgentCard(found);
      // Over HTTP+JSON the SDK prints the events that it cannot read, whatever a peer has put into them.
      const isQuiet = client.transport.protocolName === 'JSONRPC';
      const streams = isQuiet && found.capabilities?.streaming === true;
      const honoursKeys = declares(found, IDEMPOTENCY_EXTENSION);
      return { client, streams, honoursKeys, push: this.pushOf(found, card) };
    } catch (error) {
      if (error instanceof PeerError) throw error;
      const fact = error instanceof Error ? error.message : String(error);
      throw new PeerError('invalid', `the agent card at ${card.href} cannot be used: ${fact}`, { cause: error });
    }
  }

  /** Another Perdure signs its calls, with the keys of its cards. */
  private pushOf(found: AgentCard, card: URL): PeerPush | undefined {
    if (found.capabilities?.pushNotifications !== true) return undefined;
    const filters = declares(found, PUSH_FILTER_EXTENSION);
    return { filters, jwks: filters ? this.jwksOf(found, card) : undefined };
  }

  /** Where a signature says that the keys are, if that is an address that may be called. */
  private jwksOf({ signatures = [] }: Partial<AgentCard>, card: URL): string | undefined {
    return signatures.map(jkuOf).find((jku) => jku !== undefined && this.wire.allows(card, new URL(jku)));
  }
}

function declares({ capabilities }: AgentCard, { uri }: { readonly uri: string }): boolean {
  return capabilities?.extensions?.some((extension) => extension.uri === uri) ?? false;
}

function jkuOf(signature: AgentCard['signatures'][number]): string | undefined {
  try {
    const { jku } = decodeProtectedHeader(signature) as { jku?: unknown };
    return typeof jku === 'string' && /^https?:/.test(jku) && URL.canParse(jku) ? jku : undefined;
  } catch {
    return undefined;
  }
}

function cardUrl(url: string): URL {
  const card = new URL(url);
  if (!card.pathname.endsWith('.json')) card.pathname = card.pathname.replace(/\/$/, '') + CARD_PATH;
  card.hash = '';
  return card;
}
