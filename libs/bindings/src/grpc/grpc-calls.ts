import { type DescMethod, type Message, toBinary } from '@bufbuild/protobuf';
import { Inject, Injectable } from '@nestjs/common';
import { AgentRegistry } from '#agents';
import { LOGGER, type Logger } from '#platform';
import { A2AError, type CallContext, decodeBinary, requiredFieldViolations, type Sequenced } from '#protocol';
import { type AnswerParameters, callContext } from '../call-context.js';
import { clientError } from '../client-error.js';
import { EventPull } from '../event-pull.js';
import { LoadGate, weightOf } from '../load-gate.js';
import { OpenCalls } from '../open-calls.js';
import { type GrpcCall } from './grpc-call.js';
import { type GrpcMethod } from './grpc-service.js';
import { failureEnd } from './grpc-status.js';

/** What the log says of a failure; grows as the request is read. */
type Where = Record<string, string>;
/** What stands behind the last message; grows as messages are written. */
type Trailers = Record<string, string>;

/** Answers the calls of any service. Messages come and go as bytes. */
@Injectable()
export class GrpcCalls {
  constructor(
    @Inject(AgentRegistry) private readonly agents: AgentRegistry,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(LoadGate) private readonly gate: LoadGate,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Answers a call, with one message or a stream of them, or with a status. Never rejects. */
  serve(method: GrpcMethod, call: GrpcCall): Promise<void> {
    return method.descriptor.methodKind === 'unary' ? this.unary(method, call) : this.stream(method, call);
  }

  private async unary(method: GrpcMethod, call: GrpcCall): Promise<void> {
    const where = whereOf(method);
    try {
      const { message, headers } = await this.enter(method, call, where, async ({ request, context, headers }) => {
        const answer = await method.service.unary(method.descriptor, request, context);
        return { message: toBinary(method.descriptor.output, answer), headers };
      });
      call.answer(message, Object.keys(headers).length > 0 ? headers : undefined);
    } catch (error) {
      this.fail(method, call, error, where);
    }
  }

  /** What fails before the first event is a plain status. */
  private async stream(method: GrpcMethod, call: GrpcCall): Promise<void> {
    const where = whereOf(method);
    const trailers: Trailers = {};
    try {
      await this.enter(method, call, where, ({ request, context, headers }) => {
        const events = new EventPull(method.service.stream(method.descriptor, request, context), context.signal);
        return writeEvents(call, events, { method, context, headers, trailers });
      });
      call.end({ trailers });
    } catch (error) {
      this.fail(method, call, error, where, trailers);
    }
  }

  /** Reads the request and does `work` with it, as one of the open calls. */
  private async enter<T>(
    { service, descriptor }: GrpcMethod,
    call: GrpcCall,
    where: Where,
    work: (entered: EnteredCall) => Promise<T>,
  ): Promise<T> {
    this.gate.admit(weightOf(descriptor.name));
    const { parameters } = call;
    service.checkVersion(parameters);
    const request = readRequest(descriptor, call.request, service.leftEmpty);
    const open = this.calls.enter(descriptor.methodKind === 'unary' ? 'unary' : 'stream', call.carrier);
    try {
      const headers: AnswerParameters = {};
      const context = callContext(request, {
        agents: this.agents,
        path: service.address(parameters),
        parameters,
        call: open,
        answer: headers,
      });
      Object.assign(where, { tenant: context.tenant, agent: context.agent });
      if (context.extensions.length > 0) headers['a2a-extensions'] = context.extensions.join(', ');
      return await work({ request, context, headers });
    } finally {
      open.close();
    }
  }

  private fail({ service }: GrpcMethod, call: GrpcCall, thrown: unknown, where: Where, trailers?: Trailers): void {
    // Where nobody is left to answer, what the operation threw is most likely its own abort.
    if (call.over) return;
    const told = clientError(thrown, this.logger, where);
    call.end(failureEnd(service.codeOf(told.error.reason), told, trailers));
  }
}

/** A call that has been read. */
interface EnteredCall {
  readonly request: Message;
  readonly context: CallContext;
  /** The metadata that goes before the answer; some of it comes up while the operation runs. */
  readonly headers: AnswerParameters;
}

/** A stream under way. */
interface OpenStream extends Omit<EnteredCall, 'request'> {
  readonly method: GrpcMethod;
  /** Is told the number of the newest event, as `last-event-id`. */
  readonly trailers: Trailers;
}

/**
 * Writes all events, never ahead of the reader. Throws what the source throws, and the reason why the server ends the stream.
 * A message of gRPC has no place for its event's number: the headers have that of the first one (`event-id`), and each message
 * is one more than the one before it.
 */
async function writeEvents(
  call: GrpcCall,
  events: EventPull<Sequenced<Message>>,
  { method, context, headers, trailers }: OpenStream,
): Promise<void> {
  try {
    await events.begin();
    let begun = false;
    const write = async ({ sequence, message }: Sequenced<Message>) => {
      const number = sequence === 0 ? undefined : String(sequence);
      if (!begun) {
        context.waits?.();
        call.begin({ ...headers, 'event-id': number });
      }
      begun = true;
      if (number !== undefined) trailers['last-event-id'] = number;
      await call.send(toBinary(method.descriptor.output, message));
    };
    while (!call.over && (await next(events, write)));
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

function readRequest({ input }: DescMethod, bytes: Uint8Array, leftEmpty: readonly string[] = []): Message {
  const request = decodeBinary(input, bytes);
  const violations = requiredFieldViolations(input, request).filter(({ field }) => !leftEmpty.includes(field));
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return request;
}

function whereOf({ service, descriptor }: GrpcMethod): Where {
  return { binding: 'GRPC', method: `${service.descriptor.typeName}/${descriptor.name}` };
}
