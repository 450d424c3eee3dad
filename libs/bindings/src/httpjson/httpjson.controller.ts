import { Controller, Delete, Get, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { AgentRegistry } from '#agents';
import { requireVersion } from '#protocol';
import { type PathAddress, resolveAddress } from '../address.js';
import { type Exchange, HttpCalls } from '../http/http-calls.js';
import { requestedVersion } from '../http/http-parameters.js';
import { readRequest } from './httpjson-request.js';
import { answerFormat } from './httpjson-response.js';
import { routeAt, urlsOf, type Verb } from './httpjson-routes.js';

const BINDING = { binding: 'HTTP+JSON' };

/** A2A over HTTP and JSON (specification section 11): a resource per operation, below the address of each agent and tenant. */
@Controller()
export class HttpJsonController {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(HttpCalls) private readonly calls: HttpCalls,
  ) {}

  /** HEAD comes here too. */
  @Get(urlsOf('GET'))
  @RouteConfig(BINDING)
  get(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve('GET', request, reply);
  }

  @Post(urlsOf('POST'))
  @RouteConfig(BINDING)
  post(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve('POST', request, reply);
  }

  @Delete(urlsOf('DELETE'))
  @RouteConfig(BINDING)
  delete(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve('DELETE', request, reply);
  }

  private async serve(verb: Verb, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const route = routeAt(verb, request.routeOptions.url!);
    const where = { ...BINDING, method: route.method.name };
    const exchange: Exchange = { request, reply, format: answerFormat(request), where };
    try {
      // What the URL alone decides comes first: nothing is read on behalf of an agent that is not there.
      resolveAddress(this.agents, request.params as PathAddress);
      requireVersion(requestedVersion(request), '1.0');
      await this.calls.answer(exchange, route.method, readRequest(route, request));
    } catch (error) {
      this.calls.refuse(exchange, error);
    }
  }
}
