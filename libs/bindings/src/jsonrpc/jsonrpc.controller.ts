import { Controller, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { AgentRegistry } from '#agents';
import { negotiateVersion } from '#protocol';
import { type PathAddress, resolveAddress } from '../address.js';
import { type Exchange, HttpCalls } from '../http/http-calls.js';
import { requestedVersion } from '../http/http-parameters.js';
import { BASES } from '../http/http-route.js';
import { JSON_TYPE, parseJsonBody } from '../http/json-body.js';
import { LoadGate } from '../load-gate.js';
import { readCall, weightOfCall } from './jsonrpc-methods.js';
import { idOf, readEnvelope } from './jsonrpc-request.js';
import { answerFormat } from './jsonrpc-response.js';

/** A2A over JSON-RPC 2.0 (specification section 9): one endpoint per agent and tenant, any method of any version. */
@Controller()
export class JsonRpcController {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(HttpCalls) private readonly calls: HttpCalls,
    @Inject(LoadGate) private readonly gate: LoadGate,
  ) {}

  @Post(BASES.map((base) => base || '/'))
  @RouteConfig({ binding: 'JSONRPC' })
  async serve(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const exchange: Exchange = { request, reply, format: answerFormat(null), where: { binding: 'JSONRPC' } };
    try {
      const json = parseJsonBody(request, [JSON_TYPE]);
      exchange.format = { ...answerFormat(idOf(json)), streamsRefusals: readsStreamsAlone(request) };
      const { method, params } = readEnvelope(json);
      this.gate.admit(weightOfCall(method));
      await this.answer(exchange, method, params);
    } catch (error) {
      this.calls.refuse(exchange, error);
    }
  }

  private async answer(exchange: Exchange, name: string, params: unknown): Promise<void> {
    const { request } = exchange;
    // What the URL alone decides comes first: nothing is read on behalf of an agent that is not there.
    resolveAddress(this.agents, request.params as PathAddress);
    const version = negotiateVersion(requestedVersion(request));
    const { method, message, dialect } = readCall(name, params, version);
    exchange.where.method = method.name;
    await this.calls.answer(exchange, method, message, dialect);
  }
}

/** Clients of 0.3 that ask for a stream read errors in it too, and nowhere else (specification 0.3.0, section 7). */
function readsStreamsAlone(request: FastifyRequest): boolean {
  const version = requestedVersion(request)?.trim() ?? '';
  const isOlder = version === '' || /^0\.3(?:\.|$)/.test(version);
  return isOlder && request.headers.accept?.trim().toLowerCase() === 'text/event-stream';
}
