import { Inject, Injectable, Optional } from '@nestjs/common';
import { type KeyRing, SigningKeys } from '#access';
import { type Agent, AgentRegistry, buildAgentCard } from '#agents';
import { CONFIG, type Config, hasSecrets } from '#platform';
import { A2AError, type AgentCard, type AgentCardJson, AgentCardSchema, signCard, toJsonObject } from '#protocol';
import { type Address, type PathAddress, resolveAddress } from '../address.js';
import { hybridCard } from '../compat/hybrid-card.js';
import { GrpcAddress } from '../grpc/grpc-address.js';
import { digest, type Document, wholeSeconds } from './document.js';
import { PublicUrl } from './public-url.js';

/** `current` for callers of A2A 1.0, `hybrid` for those who name no version or 0.3: readable in both. */
export type CardVariant = 'current' | 'hybrid';

/** Anyone can ask for the card of any tenant; so many are kept. */
const MAX_KEPT = 1_000;

/** The agents' public cards as JSON, each made and signed once: they come from the agent's file, the settings and the keys. */
@Injectable()
export class AgentCards {
  private readonly documents = new Map<string, Promise<Document>>();
  private readonly startedAt = new Date();
  private ring: KeyRing | undefined;

  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(PublicUrl) private readonly url: PublicUrl,
    @Inject(GrpcAddress) private readonly grpc: GrpcAddress,
    @Inject(CONFIG) private readonly config: Pick<Config, 'secretKeys' | 'databaseUrl'>,
    @Optional() @Inject(SigningKeys) private readonly keys?: SigningKeys,
  ) {}

  /** The document for whoever is served at that path, its interfaces pointing there; undefined where nobody is. */
  async at(path: PathAddress, variant: CardVariant): Promise<Document | undefined> {
    const place = this.placeOf(path);
    if (!place) return undefined;
    const ring = this.keys?.current();
    if (ring !== this.ring) this.documents.clear();
    this.ring = ring;
    const key = `${variant} ${place.url}`;
    return this.documents.get(key) ?? this.keep(key, this.document(place, variant, ring));
  }

  /** The card as A2A 1.0 has it, not signed; undefined where nobody is served. */
  cardAt(path: PathAddress): AgentCard | undefined {
    const place = this.placeOf(path);
    return place && cardOf(place);
  }

  private placeOf(path: PathAddress): Place | undefined {
    const address = this.addressAt(path);
    if (!address) return undefined;
    const { agent } = address;
    const tenant = namesTenant(path) ? address.tenant : undefined;
    const isRoot = path.agent === undefined && agent === this.agents.default;
    const url = [this.url.base, ...(isRoot ? [] : ['agents', agent.id]), ...(tenant ? [tenant] : [])].join('/');
    const routingKey = `${tenant ?? ''}${isRoot ? '' : `/${agent.id}`}`;
    return { agent, url, routingKey, grpcTarget: this.grpc.target, pushes: hasSecrets(this.config) };
  }

  private addressAt(path: PathAddress): Address | undefined {
    try {
      return resolveAddress(this.agents, path);
    } catch (error) {
      if (error instanceof A2AError) return undefined;
      throw error;
    }
  }

  private async document(place: Place, variant: CardVariant, ring: KeyRing | undefined): Promise<Document> {
    const card = cardOf(place);
    const json = (variant === 'hybrid' ? hybridCard(card) : toJsonObject(AgentCardSchema, card)) as AgentCardJson;
    const signer = ring?.signer;
    const jku = `${this.url.base}/.well-known/jwks.json`;
    const body = JSON.stringify(signer ? { ...json, signatures: await signCard(json, signer, jku) } : json);
    // Weak: replicas make different signatures of the same card, and a client may talk to any of them.
    const etag = `W/"${digest(JSON.stringify([json, signer?.kid]))}"`;
    const changes = [this.startedAt, ...(ring?.signsSince ? [ring.signsSince] : [])];
    return { body, etag, lastModified: wholeSeconds(new Date(Math.max(...changes.map(Number)))) };
  }

  private keep(key: string, document: Promise<Document>): Promise<Document> {
    const [oldest] = this.documents.keys();
    if (this.documents.size >= MAX_KEPT && oldest !== undefined) this.documents.delete(oldest);
    this.documents.set(key, document);
    document.catch(() => this.documents.delete(key));
    return document;
  }
}

/** Where an agent is reached. */
interface Place {
  readonly agent: Agent;
  readonly url: string;
  /** What says the same as the URL's path where there is none: `[tenant][/agent]`. */
  readonly routingKey: string;
  readonly grpcTarget: string | undefined;
  /** Whether the server tells webhooks: what they hold is kept encrypted, or not at all. */
  readonly pushes: boolean;
}

/** The card with the interfaces of 1.0, the preferred one first. */
function cardOf({ agent, url, routingKey, grpcTarget, pushes }: Place): AgentCard {
  // The URL says it all, to clients of 0.3 too; those of 1.0 would put a `tenant` in front of every path once more.
  const http = { url, protocolVersion: '1.0' };
  const grpc = {
    protocolBinding: 'GRPC',
    protocolVersion: '1.0',
    ...(routingKey === '' ? {} : { tenant: routingKey }),
  };
  const interfaces = [
    { ...http, protocolBinding: 'JSONRPC' },
    { ...http, protocolBinding: 'HTTP+JSON' },
    ...(grpcTarget === undefined ? [] : [{ ...grpc, url: grpcTarget }]),
  ];
  return buildAgentCard(agent, interfaces, { pushes });
}

/** A routing key may name the agent alone. */
function namesTenant({ tenant }: PathAddress): boolean {
  return tenant !== undefined && !tenant.startsWith('/');
}
