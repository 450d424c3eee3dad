import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { Controller, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { AgentRegistry } from '#agents';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { type A2AOperations, type CallContext, jsonText, negotiateVersion } from '#protocol';
import { type PathAddress, resolveAddress } from '../address.js';
import { callContext } from '../call-context.js';
import { type ClientError, clientError } from '../client-error.js';
import { EventPull } from '../http/event-pull.js';
import { headerParameters, requestedVersion } from '../http/http-parameters.js';
import { SseResponse, writeEvents } from '../http/sse.js';
import { type Call, OpenCalls } from '../open-calls.js';
import { A2A_OPERATIONS, callStreaming, callUnary } from '../operations.js';
import { idOf, type JsonRpcBody, type JsonRpcId, parseBody, readEnvelope, readParams } from './jsonrpc-request.js';
import { errorStatus, errorText, resultText, retryAfter } from './jsonrpc-response.js';

/** One request and where its answer goes. */
interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  id: JsonRpcId;
  /** What the log says of a failure; grows as the request is read. */
  where: Record<string, string>;
}

/** A2A over JSON-RPC 2.0 (specification section 9): one endpoint per agent and tenant, any method of the proto's service. */
@Controller()
export class JsonRpcController {
  constructor(
    @Inject(A2A_OPERATIONS) private readonly operations: A2AOperations,
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post(['/', '/agents/:agent', '/:tenant', '/agents/:agent/:tenant'])
  @RouteConfig({ binding: 'JSONRPC' })
  async serve(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const exchange: Exchange = { request, reply, id: null, where: { binding: 'JSONRPC' } };
    try {
      const json = parseBody(bodyOf(request));
      exchange.id = idOf(json);
      const { method, params } = readEnvelope(json);
      exchange.where.method = method.name;
      await this.answer(exchange, method, params);
    } catch (error) {
      this.refuse(exchange, error);
    }
  }

  private async answer(exchange: Exchange, method: DescMethod, params: unknown): Promise<void> {
    const { request } = exchange;
    const path = request.params as PathAddress;
    // What the URL alone decides comes first: nothing is read on behalf of an agent that is not there.
    resolveAddress(this.agents, path);
    negotiateVersion(requestedVersion(request));
    const message = readParams(method, params);
    const call = this.calls.enter(method.methodKind === 'unary' ? 'unary' : 'stream', request.raw.socket);
    try {
      const parameters = headerParameters(request);
      const context = callContext(message, { agents: this.agents, path, parameters, signal: call.signal });
      Object.assign(exchange.where, { tenant: context.tenant, agent: context.agent });
      await this.run(exchange, call, { method, message, context });
    } finally {
      call.close();
    }
  }

  private async run(exchange: Exchange, call: Call, { method, message, context }: Invocation): Promise<void> {
    const { reply, id } = exchange;
    const { extensions } = context;
    const headers: Record<string, string> = extensions.length > 0 ? { 'a2a-extensions': extensions.join(', ') } : {};
    if (call.kind === 'unary') {
      const result = await callUnary(this.operations, method, message, context);
      send(reply.headers(headers), 200, resultText(id, jsonText(method.output, result)));
      return;
    }
    const events = new EventPull(callStreaming(this.operations, method, message, context), call.signal);
    // A failure up to the first event is a plain answer; after the headers it could only be part of the stream.
    await events.begin();
    reply.hijack();
    await writeEvents(new SseResponse(reply.raw, this.config, headers), events, {
      event: ({ sequence, message: event, json }) => ({
        id: sequence,
        data: resultText(id, json ?? jsonText(method.output, event)),
      }),
      failure: (error) => ({ event: 'error', data: errorText(id, this.told(exchange, error)) }),
    });
  }

  private refuse(exchange: Exchange, thrown: unknown): void {
    // Nobody is left to answer, and what the operation threw is most likely its own abort.
    if (exchange.request.raw.socket.destroyed) return;
    const failure = this.told(exchange, thrown);
    const wait = retryAfter(failure.error);
    if (wait !== undefined) exchange.reply.header('retry-after', wait);
    send(exchange.reply, errorStatus(failure.error), errorText(exchange.id, failure));
  }

  private told({ where }: Exchange, thrown: unknown): ClientError {
    return clientError(thrown, this.logger, where);
  }
}

/** An operation with everything it takes. */
interface Invocation {
  readonly method: DescMethod;
  readonly message: Message;
  readonly context: CallContext;
}

function bodyOf({ headers, body }: FastifyRequest): JsonRpcBody {
  return {
    contentType: headers['content-type'],
    contentEncoding: headers['content-encoding'],
    bytes: body as Uint8Array | undefined,
  };
}

function send(reply: FastifyReply, status: number, text: string): void {
  void reply.code(status).header('content-type', 'application/json').send(text);
}
