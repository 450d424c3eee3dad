import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { AgentRegistry } from '#agents';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { type A2AError, type A2AOperations, type CallContext, jsonText, type Sequenced } from '#protocol';
import { type PathAddress } from '../address.js';
import { type AnswerParameters, callContext } from '../call-context.js';
import { type ClientError, clientError } from '../client-error.js';
import { type Call, OpenCalls } from '../open-calls.js';
import { A2A_OPERATIONS, callStreaming, callUnary } from '../operations.js';
import { EventPull } from '../event-pull.js';
import { isShed } from '../load-gate.js';
import { extensionsHeader, headerParameters } from './http-parameters.js';
import { RefusalPace } from './refusal-pace.js';
import { SseResponse, writeEvents } from './sse.js';

/** How a binding writes answers. */
export interface AnswerFormat {
  readonly contentType: string;
  /** The body of an answer, and the data of an event, for a message in ProtoJSON. */
  result(json: string): string;
  /** The body of a refusal, and the data of the event that ends a stream which failed. */
  error(failure: ClientError): string;
  /** The HTTP status of a refusal. */
  errorStatus(error: A2AError): number;
  /** For a caller who reads nothing but a stream: a refusal with status 200 goes out as the only event of one. */
  readonly streamsRefusals?: boolean;
}

/** One request and how its answer is written. */
export interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** What the log says of a failure; grows as the request is read. */
  readonly where: Record<string, string>;
  format: AnswerFormat;
}

/** Where a call in an older dialect of A2A differs from one in 1.0. */
export interface Dialect {
  /** What serves the method, where that is of another service than 1.0's, or does more than its operation. */
  readonly operations?: (operations: A2AOperations) => object;
  /** The context of the call, with what the dialect adds to it. */
  readonly context?: (context: CallContext) => CallContext;
  /** Writes the result, or one event, as JSON; ProtoJSON where absent. */
  readonly write?: (result: Message) => string;
  /** What a refused caller is told instead of what was thrown. */
  readonly error?: (thrown: unknown) => unknown;
}

/** Runs operations for the bindings over HTTP, and writes what they give: one answer, or a stream of events. */
@Injectable()
export class HttpCalls implements OnModuleDestroy {
  private readonly pace = new RefusalPace();

  constructor(
    @Inject(A2A_OPERATIONS) private readonly operations: A2AOperations,
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleDestroy(): void {
    this.pace.stop();
  }

  /** Runs the operation and answers, in full. Throws, while nothing has been said yet, what `refuse` is to tell. */
  async answer(exchange: Exchange, method: DescMethod, message: Message, dialect: Dialect = {}): Promise<void> {
    const { request, where } = exchange;
    const call = this.calls.enter(method.methodKind === 'unary' ? 'unary' : 'stream', request.raw.socket);
    try {
      const path = request.params as PathAddress;
      const parameters = headerParameters(request);
      const headers: AnswerParameters = {};
      const context = callContext(message, { agents: this.agents, path, parameters, call, answer: headers });
      Object.assign(where, { tenant: context.tenant, agent: context.agent });
      Object.assign(headers, extensionsHeader(request, context.extensions));
      const invocation = { method, message, context: dialect.context?.(context) ?? context, dialect, headers };
      await this.run(exchange, call, invocation);
    } catch (error) {
      throw dialect.error ? dialect.error(error) : error;
    } finally {
      call.close();
    }
  }

  /** Answers with the error that was thrown: at a pace where the gate has. */
  refuse(exchange: Exchange, thrown: unknown): void {
    if (isShed(thrown)) this.pace.take(() => this.tell(exchange, thrown));
    else this.tell(exchange, thrown);
  }

  private tell({ request, reply, format, where }: Exchange, thrown: unknown): void {
    // Nobody is left to answer, and what the operation threw is most likely its own abort.
    if (request.raw.socket.destroyed) return;
    const failure = clientError(thrown, this.logger, where);
    const wait = retryAfter(failure.error);
    if (wait !== undefined) reply.header('retry-after', wait);
    const status = format.errorStatus(failure.error);
    const text = format.error(failure);
    if (format.streamsRefusals && status === 200) send(reply, status, 'text/event-stream', `data: ${text}\n\n`);
    else send(reply, status, format.contentType, text);
  }

  private async run(exchange: Exchange, call: Call, invocation: Invocation): Promise<void> {
    const { method, message, context, dialect, headers } = invocation;
    const { request, reply, format } = exchange;
    const operations = dialect.operations?.(this.operations) ?? this.operations;
    if (call.kind === 'unary') {
      const result = await callUnary(operations, method, message, context);
      const json = dialect.write?.(result) ?? jsonText(method.output, result);
      send(reply.headers(headers), 200, format.contentType, format.result(json));
      return;
    }
    const events = new EventPull(callStreaming(operations, method, message, context), call.signal);
    // A failure up to the first event is a plain answer; after the headers it could only be part of the stream. They do not wait
    // for ever: a stream that has nothing to tell yet, such as a resumed one, has to be kept alive too.
    await events.begin(this.config.keepAliveMs).catch((error: unknown) => {
      // Where the server goes before a resumed stream has anything to tell, it is taken up elsewhere, like those that have begun.
      if (!events.interrupted || context.lastEventId === undefined) throw error;
    });
    call.waits();
    if (request.server.isLeaving) headers.connection = 'close';
    reply.hijack();
    const textOf = ({ message: event, json }: Sequenced<Message>) =>
      dialect.write?.(event) ?? json ?? jsonText(method.output, event);
    await this.stream(exchange, new SseResponse(reply.raw, this.config, headers), events, textOf);
  }

  private stream(
    { request, format, where }: Exchange,
    sse: SseResponse,
    events: EventPull<Sequenced<Message>>,
    textOf: (event: Sequenced<Message>) => string,
  ): Promise<void> {
    // HEAD asks for the headers alone, and those have gone out.
    if (request.method === 'HEAD') {
      events.close();
      sse.end();
      return Promise.resolve();
    }
    return writeEvents(sse, events, {
      event: (event) => ({ id: event.sequence, data: format.result(textOf(event)) }),
      failure: (error) => ({ event: 'error', data: format.error(clientError(error, this.logger, where)) }),
    });
  }
}

/** An operation with everything it takes. */
interface Invocation {
  readonly method: DescMethod;
  readonly message: Message;
  readonly context: CallContext;
  readonly dialect: Dialect;
  /** Those of the answer; some come up while the operation runs. */
  readonly headers: AnswerParameters;
}

/** `Retry-After` in whole seconds, where a retry has a chance. */
export function retryAfter({ reason, retryAfterMs }: A2AError): string | undefined {
  if (retryAfterMs !== undefined) return String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  return reason === 'RESOURCE_EXHAUSTED' ? '1' : undefined;
}

function send(reply: FastifyReply, status: number, contentType: string, text: string): void {
  void reply.code(status).header('content-type', contentType).send(text);
}
