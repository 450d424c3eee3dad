import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { type Agent, AgentRegistry, buildAgentCard } from '#agents';
import { A2AError, AgentCardSchema, jsonText } from '#protocol';
import { type Address, type PathAddress, resolveAddress } from '../address.js';
import { type Version } from './conditional-request.js';
import { PublicUrl } from './public-url.js';

/** An agent card as it goes out. */
export interface CardDocument extends Version {
  readonly body: string;
}

/** Anyone can ask for the card of any tenant; so many are kept. */
const MAX_KEPT = 1_000;

/** The agents' public cards as JSON, each made once: they come from the agent's file and the settings alone. */
@Injectable()
export class AgentCards {
  private readonly documents = new Map<string, CardDocument>();
  private readonly lastModified = new Date(Math.floor(Date.now() / 1_000) * 1_000);

  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(PublicUrl) private readonly url: PublicUrl,
  ) {}

  /** The card of whoever is served at that path, its interface pointing there; undefined where nobody is. */
  at(path: PathAddress): CardDocument | undefined {
    const address = this.addressAt(path);
    if (!address) return undefined;
    const { agent } = address;
    const tenant = namesTenant(path) ? address.tenant : undefined;
    const isRoot = path.agent === undefined && agent === this.agents.default;
    const url = [this.url.base, ...(isRoot ? [] : ['agents', agent.id]), ...(tenant ? [tenant] : [])].join('/');
    return this.documents.get(url) ?? this.keep(url, this.document(agent, url, tenant));
  }

  private addressAt(path: PathAddress): Address | undefined {
    try {
      return resolveAddress(this.agents, path);
    } catch (error) {
      if (error instanceof A2AError) return undefined;
      throw error;
    }
  }

  private document(agent: Agent, url: string, tenant: string | undefined): CardDocument {
    const card = buildAgentCard(agent, { url, protocolVersion: '1.0' });
    if (tenant !== undefined) for (const entry of card.supportedInterfaces) entry.tenant = tenant;
    const body = jsonText(AgentCardSchema, card);
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    return { body, etag, lastModified: this.lastModified };
  }

  private keep(url: string, document: CardDocument): CardDocument {
    const [oldest] = this.documents.keys();
    if (this.documents.size >= MAX_KEPT && oldest !== undefined) this.documents.delete(oldest);
    this.documents.set(url, document);
    return document;
  }
}

/** A routing key may name the agent alone. */
function namesTenant({ tenant }: PathAddress): boolean {
  return tenant !== undefined && !tenant.startsWith('/');
}
