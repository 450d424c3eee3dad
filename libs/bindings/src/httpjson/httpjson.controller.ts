import { Controller, Delete, Get, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { AgentRegistry } from '#agents';
import { requireVersion } from '#protocol';
import { type PathAddress, resolveAddress } from '../address.js';
import { type Exchange, HttpCalls } from '../http/http-calls.js';
import { requestedVersion } from '../http/http-parameters.js';
import { type Verb } from '../http/http-route.js';
import { LoadGate, weightOf } from '../load-gate.js';
import { SERVED_ROUTES } from './served-routes.js';

const BINDING = { binding: 'HTTP+JSON' };

/**
 * A2A over HTTP and JSON (specification section 11): a resource per operation, below the address of each agent and tenant;
 * those of 0.3 have paths of their own.
 */
@Controller()
export class HttpJsonController {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(HttpCalls) private readonly calls: HttpCalls,
    @Inject(LoadGate) private readonly gate: LoadGate,
  ) {}

  /** HEAD comes here too. */
  @Get(SERVED_ROUTES.urls('GET'))
  @RouteConfig(BINDING)
  get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve('GET', request, reply);
  }

  @Post(SERVED_ROUTES.urls('POST'))
  @RouteConfig(BINDING)
  post(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve('POST', request, reply);
  }

  @Delete(SERVED_ROUTES.urls('DELETE'))
  @RouteConfig(BINDING)
  delete(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve('DELETE', request, reply);
  }

  private async serve(verb: Verb, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { version, method, read, format, dialect } = SERVED_ROUTES.at(verb, request.routeOptions.url!);
    const where = { ...BINDING, version, method: method.name };
    const exchange: Exchange = { request, reply, format: format(request), where };
    try {
      // What the URL alone decides comes first: nothing is read on behalf of an agent that is not there.
      resolveAddress(this.agents, request.params as PathAddress);
      requireVersion(requestedVersion(request), version);
      this.gate.admit(weightOf(method.name));
      await this.calls.answer(exchange, method, read(request), dialect);
    } catch (error) {
      this.calls.refuse(exchange, error);
    }
  }
}
