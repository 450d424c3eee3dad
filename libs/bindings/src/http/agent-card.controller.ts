import { Controller, Get, Inject, NotFoundException, Options, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type PathAddress } from '../address.js';
import { AgentCards, type CardVariant } from './agent-cards.js';
import { allowFromAnywhere, type DocumentPolicy, sendDocument } from './document.js';
import { requestedVersion } from './http-parameters.js';
import { BASES } from './http-route.js';

/** The card of the default agent, of each agent, and of each for one tenant; `agent.json` is its name in older clients. */
const PATHS = BASES.flatMap((base) => [`${base}/.well-known/agent-card.json`, `${base}/.well-known/agent.json`]);

const POLICY: DocumentPolicy = { contentType: 'application/json', maxAgeSeconds: 60, vary: 'A2A-Version' };

/** Public agent cards (specification section 8.2): GET and HEAD, cacheable, readable from any web page, without the database. */
@Controller()
export class AgentCardController {
  constructor(@Inject(AgentCards) private readonly cards: AgentCards) {}

  @Get(PATHS)
  async card(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const card = await this.cards.at(request.params as PathAddress, variantFor(requestedVersion(request)));
    if (!card) throw new NotFoundException();
    sendDocument(request, reply, card, POLICY);
  }

  /** Browsers ask first when a page sends `A2A-Version`, as the JavaScript SDK does. */
  @Options(PATHS)
  preflight(@Res() reply: FastifyReply): void {
    allowFromAnywhere(reply);
  }
}

/** A card is no operation: who asks in a version that is not served learns from it which ones are. */
function variantFor(version: string | undefined): CardVariant {
  return /^\s*[1-9]/.test(version ?? '') ? 'current' : 'hybrid';
}
