import { Controller, Get, Inject, NotFoundException, Options, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type PathAddress } from '../address.js';
import { AgentCards } from './agent-cards.js';
import { isNotModified } from './conditional-request.js';

/** The card of the default agent, of each agent, and of each for one tenant; `agent.json` is its name in older clients. */
const PATHS = ['', '/agents/:agent', '/:tenant', '/agents/:agent/:tenant'].flatMap((base) => [
  `${base}/.well-known/agent-card.json`,
  `${base}/.well-known/agent.json`,
]);

/** Public agent cards (specification section 8.2): GET and HEAD, cacheable, readable from any web page, without the database. */
@Controller()
export class AgentCardController {
  constructor(@Inject(AgentCards) private readonly cards: AgentCards) {}

  @Get(PATHS)
  card(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const card = this.cards.at(request.params as PathAddress);
    if (!card) throw new NotFoundException();
    reply.headers({
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=60',
      etag: card.etag,
      'last-modified': card.lastModified.toUTCString(),
      vary: 'A2A-Version',
    });
    if (isNotModified(request.headers, card)) void reply.code(304).send();
    else void reply.header('content-type', 'application/json').send(card.body);
  }

  /** Browsers ask first when a page sends `A2A-Version`, as the JavaScript SDK does. */
  @Options(PATHS)
  preflight(@Res() reply: FastifyReply): void {
    void reply
      .code(204)
      .headers({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, HEAD',
        'access-control-allow-headers': '*',
        'access-control-max-age': '86400',
      })
      .send();
  }
}
