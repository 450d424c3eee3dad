import { create, type JsonObject, type Message } from '@bufbuild/protobuf';
import { Controller, Delete, Get, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { AgentRegistry } from '#agents';
import {
  A2A_ERRORS,
  A2AError,
  A2AService,
  type AgentCard,
  decodeJson,
  GetExtendedAgentCardRequestSchema,
  jsonText,
  requireVersion,
  v03,
} from '#protocol';
import { type PathAddress, resolveAddress } from '../address.js';
import { type AnswerFormat, type Dialect, type Exchange, HttpCalls } from '../http/http-calls.js';
import { requestedVersion } from '../http/http-parameters.js';
import { A2A_JSON_TYPE, JSON_TYPE, parseJsonBody } from '../http/json-body.js';
import { cardTo03 } from './grpc-card.js';
import { GrpcOperations03 } from './grpc-operations.js';
import { speaks03 } from './hybrid-card.js';
import { REST_ROUTES, type RestRequest, type RestRoute, type RestVerb } from './rest-routes.js';

const BINDING = { binding: 'HTTP+JSON 0.3' };
const BASES = ['', '/agents/:agent', '/:tenant', '/agents/:agent/:tenant'];

/** HTTP and JSON as 0.3 had them: the routes of package a2a.v1 below the address of each agent and tenant. */
@Controller()
export class RestController {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(HttpCalls) private readonly calls: HttpCalls,
  ) {}

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

  /** The extended card; the public one has an address of its own. */
  @Get(BASES.map((base) => `${base}/v1/card`))
  @RouteConfig(BINDING)
  card(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { getExtendedAgentCard } = A2AService.method;
    return this.checked({ request, reply, format: FORMAT, where: { ...BINDING } }, (exchange) =>
      this.calls.answer(exchange, getExtendedAgentCard, create(GetExtendedAgentCardRequestSchema), {
        write: (card) => cardText(card as AgentCard),
      }),
    );
  }

  private serve(verb: RestVerb, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const route = routesByUrl.get(`${verb} ${request.routeOptions.url}`)!;
    const where = { ...BINDING, method: route.method.name };
    return this.checked({ request, reply, format: FORMAT, where }, (exchange) =>
      this.calls.answer(exchange, route.method, readRequest(route, request), DIALECT),
    );
  }

  private async checked(exchange: Exchange, answer: (exchange: Exchange) => Promise<void>): Promise<void> {
    const { request } = exchange;
    try {
      // What the URL alone decides comes first: nothing is read on behalf of an agent that is not there.
      resolveAddress(this.agents, request.params as PathAddress);
      requireVersion(requestedVersion(request), '0.3');
      await answer(exchange);
    } catch (error) {
      this.calls.refuse(exchange, error);
    }
  }
}

/** Package a2a.v1 over the operations of 1.0. Its method for the public card has no route: that is at its well-known address. */
const DIALECT: Dialect = {
  operations: (operations) => new GrpcOperations03(operations, () => create(v03.AgentCardSchema)),
};

/** Errors have the shape of JSON-RPC's, as the specification has it for all transports (section 7) and the SDKs read them. */
const FORMAT: AnswerFormat = {
  contentType: JSON_TYPE,
  result: (json) => json,
  error: ({ error, details }) => {
    const { jsonRpc: code } = A2A_ERRORS[error.reason];
    return JSON.stringify({ code, message: error.message, ...(details.length > 0 && { data: details }) });
  },
  errorStatus: ({ reason }) => A2A_ERRORS[reason].http,
};

function urlsOf(verb: RestVerb): string[] {
  const paths = REST_ROUTES.filter((route) => route.verb === verb).map(({ path }) => path);
  return BASES.flatMap((base) => paths.map((path) => base + path));
}

const routesByUrl: ReadonlyMap<string, RestRoute> = new Map(
  BASES.flatMap((base) => REST_ROUTES.map((route) => [`${route.verb} ${base}${route.path}`, route] as const)),
);

function readRequest({ method, json }: RestRoute, request: FastifyRequest): Message {
  const { params: path, query } = request as { params: RestRequest['path']; query: RestRequest['query'] };
  return decodeJson(method.input, json({ path, query, body: bodyOf(request) }));
}

/** An empty body says nothing, whatever type it claims: `:cancel` and `:subscribe` come with one. */
function bodyOf(request: FastifyRequest): JsonObject {
  const bytes = request.body as Uint8Array | undefined;
  if (bytes === undefined || bytes.length === 0) return {};
  const json = parseJsonBody(request, [JSON_TYPE, A2A_JSON_TYPE]);
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as JsonObject;
  throw A2AError.invalidParams('', 'must be an object');
}

function cardText(card: AgentCard): string {
  return jsonText(v03.AgentCardSchema, cardTo03(card, card.supportedInterfaces.filter(speaks03)));
}
