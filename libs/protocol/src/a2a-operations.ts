import { type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type A2AService } from './gen/lf/a2a/v1/a2a_pb.js';
import { type PushFilter } from './push-filter.js';

/** The dialects of A2A before 1.0: 0.3, and the first one, of spring 2025. */
export type OlderDialect = '0.3' | 'first';

/** Who calls, for whom, and under which conditions; made by a binding, the same for every operation. */
export interface CallContext {
  /** The tenant whose data the call sees. */
  tenant: string;
  /** The id of the agent that is called. */
  agent: string;
  /** The authenticated caller within the tenant. */
  principal: string;
  /** The URIs of the protocol extensions the caller activates. */
  extensions: readonly string[];
  /** The caller's key under which a repeated call gives the same result. */
  idempotencyKey?: string;
  /**
   * The id of the task that the caller knows by a name of its own. It is meant where the request names no task: a message
   * makes the task under this id, or goes to it where it is there; and where no task has the id that the request names.
   */
  namedTask?: string;
  /** The caller's span, as W3C Trace Context writes it. */
  traceparent?: string;
  /** The sequence after which a stream resumes. */
  lastEventId?: number;
  /** Aborts when the caller is gone. */
  signal: AbortSignal;
  /** To be called when a message is accepted and its sender waits for the task: no more work is done for the call. */
  waits?: () => void;
  /** What the webhook that the call makes is told of; of everything where absent. */
  pushFilter?: PushFilter;
  /** The older dialect in which the webhook that the call makes is told; that of 1.0 where absent. */
  pushDialect?: OlderDialect;
  /** What the webhook that the call makes knows the task by, where its caller has a name of its own for it: see `namedTask`. */
  clientTaskId?: string;
  /** To be called, before the answer or the first event is given, with the secret of the webhook that the call has made. */
  onWebhookSecret?: (secret: string) => void;
}

/** One message of a stream with its place in the task's events. */
export interface Sequenced<T> {
  /** The event's number in its task, from 1; 0 for an answer that belongs to no task. */
  sequence: number;
  message: T;
  /** The ProtoJSON of `message` where it is at hand: made once for all who are sent it. */
  json?: string;
}

type Operation<M> = M extends {
  methodKind: 'server_streaming';
  input: infer I extends DescMessage;
  output: infer O extends DescMessage;
}
  ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<Sequenced<MessageShape<O>>>
  : M extends { methodKind: 'unary'; input: infer I extends DescMessage; output: infer O extends DescMessage }
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageShape<O>>
    : never;

/** The methods of a service as one interface: a promise for each unary one, sequenced messages for each streaming one. */
export type OperationsOf<Service extends { readonly method: object }> = {
  [Name in keyof Service['method']]: Operation<Service['method'][Name]>;
};

/**
 * The operations of A2A as one interface, derived from the service in `a2a.proto`: a method that the proto gains must be
 * served before the code compiles. Unary operations give a promise, streaming ones sequenced messages; all fail with A2AError.
 */
export type A2AOperations = OperationsOf<typeof A2AService>;
