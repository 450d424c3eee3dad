import { type DescMethod, type Message } from '@bufbuild/protobuf';
import {
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';
import { AgentRegistry } from '#agents';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { A2AError, type CallContext, decodeBinary, requiredFieldViolations, type Sequenced } from '#protocol';
import { callContext } from '../call-context.js';
import { clientError } from '../client-error.js';
import { EventPull } from '../event-pull.js';
import { type CallCarrier, OpenCalls } from '../open-calls.js';
import { metadataOf, metadataParameters } from './grpc-metadata.js';
import { type GrpcService } from './grpc-service.js';
import { statusOf } from './grpc-status.js';
import { messageBytes } from './message-bytes.js';
import { MessageStream } from './message-stream.js';
import { StallWatch } from './stall-watch.js';

/** One method of a service. */
export interface GrpcMethod {
  readonly service: GrpcService;
  readonly descriptor: DescMethod;
}

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
type StreamingCall = ServerWritableStream<Buffer, Buffer>;
/** What the log says of a failure; grows as the request is read. */
type Where = Record<string, string>;

/** Answers the calls of any service: one handler for unary methods, one for streams. Messages come and go as bytes. */
@Injectable()
export class GrpcCalls {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(CONFIG) private readonly config: Pick<Config, 'streamStallMs'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Answers a call of a unary method, with a message or a status. Never rejects. */
  async unary(method: GrpcMethod, call: UnaryCall, respond: sendUnaryData<Buffer>): Promise<void> {
    const where = whereOf(method);
    const stall = new StallWatch(call, this.config.streamStallMs);
    try {
      const answer = await this.enter(method, call, where, async (request, context) => {
        const message = await method.service.unary(method.descriptor, request, context);
        call.sendMetadata(metadataOf({ 'a2a-extensions': echoOf(context) }));
        return messageBytes(method.descriptor.output, message);
      });
      stall.begin();
      respond(null, answer);
    } catch (error) {
      // Where nobody is left to answer, what the operation threw is most likely its own abort.
      if (!call.cancelled) respond(this.failure(method, error, where));
    }
  }

  /** Answers a call of a streaming method. What fails before the first event is a plain status. Never rejects. */
  async stream(method: GrpcMethod, call: StreamingCall): Promise<void> {
    const where = whereOf(method);
    const messages = new MessageStream(call, this.config.streamStallMs);
    const trailer = metadataOf({});
    try {
      await this.enter(method, call, where, (request, context) => {
        const events = new EventPull(method.service.stream(method.descriptor, request, context), context.signal);
        return writeEvents(messages, events, { method, context, trailer });
      });
      messages.end(trailer);
    } catch (error) {
      if (!messages.gone) messages.fail(this.failure(method, error, where, trailer));
    }
  }

  /** Reads the request and does `work` with it, as one of the open calls. */
  private async enter<T>(
    { service, descriptor }: GrpcMethod,
    call: UnaryCall | StreamingCall,
    where: Where,
    work: (request: Message, context: CallContext) => Promise<T>,
  ): Promise<T> {
    const parameters = metadataParameters(call.metadata);
    service.checkVersion(parameters);
    const request = readRequest(descriptor, call.request);
    const open = this.calls.enter(descriptor.methodKind === 'unary' ? 'unary' : 'stream', carrierOf(call));
    try {
      const context = callContext(request, {
        agents: this.agents,
        path: service.address(parameters),
        parameters,
        signal: open.signal,
      });
      Object.assign(where, { tenant: context.tenant, agent: context.agent });
      return await work(request, context);
    } finally {
      open.close();
    }
  }

  private failure({ service }: GrpcMethod, thrown: unknown, where: Where, trailer?: Metadata): ServiceError {
    const told = clientError(thrown, this.logger, where);
    return statusOf(service.codeOf(told.error.reason), told, trailer);
  }
}

/** A stream under way. */
interface OpenStream {
  readonly method: GrpcMethod;
  readonly context: CallContext;
  /** Is told the number of the newest event, as `last-event-id`. */
  readonly trailer: Metadata;
}

/**
 * Writes all events, never ahead of the reader. Throws what the source throws, and the reason why the server ends the stream.
 * A message of gRPC has no place for its event's number: the headers have that of the first one (`event-id`), and each message
 * is one more than the one before it.
 */
async function writeEvents(
  messages: MessageStream,
  events: EventPull<Sequenced<Message>>,
  { method, context, trailer }: OpenStream,
): Promise<void> {
  try {
    await events.begin();
    let begun = false;
    const write = async ({ sequence, message }: Sequenced<Message>) => {
      const number = sequence === 0 ? undefined : String(sequence);
      if (!begun) messages.begin(metadataOf({ 'a2a-extensions': echoOf(context), 'event-id': number }));
      begun = true;
      if (number !== undefined) trailer.set('last-event-id', number);
      await messages.send(messageBytes(method.descriptor.output, message));
    };
    while (!messages.gone && (await next(events, write)));
    context.signal.throwIfAborted();
  } finally {
    events.close();
  }
}

/** False at the end. A function of its own, so that no event is held while the next one is waited for. */
async function next<T>(events: EventPull<T>, write: (event: T) => Promise<void>): Promise<boolean> {
  const event = await events.next();
  if (event === undefined) return false;
  await write(event);
  return true;
}

function readRequest({ input }: DescMethod, bytes: Buffer): Message {
  const request = decodeBinary(input, bytes);
  const violations = requiredFieldViolations(input, request);
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return request;
}

function carrierOf(call: UnaryCall | StreamingCall): CallCarrier {
  return { destroyed: call.cancelled, once: (_close, ended) => call.once('cancelled', ended) };
}

function echoOf({ extensions }: CallContext): string | undefined {
  return extensions.length > 0 ? extensions.join(', ') : undefined;
}

function whereOf({ service, descriptor }: GrpcMethod): Where {
  return { binding: 'GRPC', method: `${service.descriptor.typeName}/${descriptor.name}` };
}
