import { isIP } from 'node:net';
import { Controller, Get, Inject, Options, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Agent, AgentRegistry } from '#agents';
import { allowFromAnywhere, documentOf, sendDocument } from './document.js';
import { PublicUrl } from './public-url.js';

const AI_CATALOG = '/.well-known/ai-catalog.json';
const AGENTS = '/agents';
const MAX_AGE_SECONDS = 300;

/**
 * The agents of this server for registries and other agents to find: as an AI Catalog, specVersion 1.0
 * (https://ai-catalog.io, github.com/Agent-Card/ai-catalog, specification/ai-catalog.md), which A2A's working group points
 * to, and as a list for people and scripts. Agents that are not `listed` are in neither.
 */
@Controller()
export class CatalogueController {
  private readonly startedAt = new Date();

  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(PublicUrl) private readonly url: PublicUrl,
  ) {}

  /** Names and descriptions are left to the cards, as the catalogue's specification asks. */
  @Get(AI_CATALOG)
  aiCatalog(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const entries = this.agents.listed().map((agent) => ({
      identifier: this.identifierOf(agent),
      type: 'application/a2a-agent-card+json',
      url: this.cardUrlOf(agent),
      tags: tagsOf(agent),
    }));
    this.send(request, reply, { specVersion: '1.0', entries }, 'application/ai-catalog+json');
  }

  @Get(AGENTS)
  list(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const agents = this.agents.listed().map((agent) => ({
      id: agent.id,
      name: agent.card.name,
      description: agent.card.description,
      version: agent.card.version,
      tags: tagsOf(agent),
      default: agent === this.agents.default,
      url: this.urlOf(agent),
      card: this.cardUrlOf(agent),
    }));
    this.send(request, reply, { agents }, 'application/json');
  }

  @Options([AI_CATALOG, AGENTS])
  preflight(@Res() reply: FastifyReply): void {
    allowFromAnywhere(reply);
  }

  private send(request: FastifyRequest, reply: FastifyReply, json: object, contentType: string): void {
    const document = documentOf(JSON.stringify(json), this.startedAt);
    sendDocument(request, reply, document, { contentType, maxAgeSeconds: MAX_AGE_SECONDS });
  }

  private urlOf({ id }: Agent): string {
    return `${this.url.base}/agents/${id}`;
  }

  private cardUrlOf(agent: Agent): string {
    return `${this.urlOf(agent)}/.well-known/agent-card.json`;
  }

  /** `urn:air:{publisher's domain}:agent:{name}`; without a domain, the agent's URL. */
  private identifierOf(agent: Agent): string {
    const { hostname } = new URL(this.url.base);
    const isDomain = hostname.includes('.') && isIP(hostname) === 0;
    return isDomain ? `urn:air:${hostname}:agent:${agent.id}` : this.urlOf(agent);
  }
}

function tagsOf({ card }: Agent): string[] {
  return [...new Set(card.skills.flatMap(({ tags }) => tags ?? []))];
}
