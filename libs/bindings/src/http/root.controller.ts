import { Controller, Get, Inject, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { AgentRegistry } from '#agents';
import { packageVersion } from '#platform';
import { SUPPORTED_VERSIONS } from '#protocol';
import { PublicUrl } from './public-url.js';

/** What a person sees who opens the server's address in a browser: what it is, and where its agents are. */
@Controller()
export class RootController {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(PublicUrl) private readonly url: PublicUrl,
  ) {}

  @Get('/')
  welcome(@Res() reply: FastifyReply): void {
    const { base } = this.url;
    const welcome = {
      name: 'Perdure',
      description: 'A durable task-execution server that speaks A2A, the Agent2Agent protocol',
      version: packageVersion(),
      protocolVersions: SUPPORTED_VERSIONS,
      agents: this.agents.listed().map(({ id, card }) => ({
        id,
        name: card.name,
        description: card.description,
        default: id === this.agents.default.id,
        jsonRpc: `${base}/agents/${id}`,
        httpJson: `${base}/agents/${id}`,
        card: `${base}/agents/${id}/.well-known/agent-card.json`,
      })),
      health: `${base}/health/ready`,
    };
    void reply.header('content-type', 'application/json; charset=utf-8').send(`${JSON.stringify(welcome, null, 2)}\n`);
  }
}
