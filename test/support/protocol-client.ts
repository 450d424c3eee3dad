import { type IncomingHttpHeaders } from 'node:http';
import { type JsonObject } from '@bufbuild/protobuf';
import {
  type AgentCardJson,
  type FieldViolation,
  type ListTaskPushNotificationConfigsResponseJson,
  type ListTasksResponseJson,
  type SendMessageResponseJson,
  type StreamResponseJson,
  type TaskJson,
  type TaskPushNotificationConfigJson,
  type TaskStateJson,
} from '#protocol';

/** The bindings of A2A, by the names that agent cards give them. */
export const BINDINGS = ['JSONRPC', 'HTTP+JSON', 'GRPC'] as const;

export type Binding = (typeof BINDINGS)[number];

/** The unary operations with what they answer. */
export interface Results {
  SendMessage: SendMessageResponseJson;
  GetTask: TaskJson;
  ListTasks: ListTasksResponseJson;
  CancelTask: TaskJson;
  CreateTaskPushNotificationConfig: TaskPushNotificationConfigJson;
  GetTaskPushNotificationConfig: TaskPushNotificationConfigJson;
  ListTaskPushNotificationConfigs: ListTaskPushNotificationConfigsResponseJson;
  DeleteTaskPushNotificationConfig: Record<string, never>;
  GetExtendedAgentCard: AgentCardJson;
}

export type UnaryOperation = keyof Results;
export type StreamingOperation = 'SendStreamingMessage' | 'SubscribeToTask';

/** How a call goes out. Service parameters are HTTP headers or gRPC metadata; one that is undefined is left away. */
export interface CallOptions {
  readonly parameters?: Readonly<Record<string, string | undefined>>;
  /** Is given the headers of a success, or its gRPC metadata, by their lower-case names. */
  readonly onHeaders?: (header: (name: string) => string | undefined) => void;
}

/**
 * An agent at one address, over one binding. Requests are ProtoJSON and go out as they are, wrong fields included, as far as
 * the binding can express them. Answers are canonical ProtoJSON: whatever came was decoded strictly and written again,
 * so that equal answers are equal values whatever the binding. Failures are a {@link ProtocolError}.
 */
export interface ProtocolClient {
  readonly binding: Binding;
  call<Operation extends UnaryOperation>(
    operation: Operation,
    request?: JsonObject,
    options?: CallOptions,
  ): Promise<Results[Operation]>;
  /** Opens a stream. Rejects where it is refused before its first event. */
  open(operation: StreamingOperation, request: JsonObject, options?: CallOptions): Promise<ProtocolStream>;
  close(): void;
}

/** Where an agent is reached. */
export interface AgentLocation {
  /** Base URL of the server. */
  readonly url: string;
  /** `host:port` of the server's gRPC. */
  readonly grpcAddress: string;
  /** Without one, the address is the agent's own already, as a card gives it. */
  readonly agent?: string;
}

/** What every call carries unless it says otherwise. */
export const DEFAULT_PARAMETERS: CallOptions['parameters'] = { 'a2a-version': '1.0' };

/** The service parameters of a call, without those that are left away. */
export function parametersOf(options: CallOptions = {}): Record<string, string> {
  const parameters = { ...DEFAULT_PARAMETERS, ...options.parameters };
  return Object.fromEntries(
    Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** Tells the caller of the headers of an HTTP answer. */
export function tellHeaders(headers: IncomingHttpHeaders, options: CallOptions = {}): void {
  options.onHeaders?.((name) => headers[name]?.toString());
}

/** What a binding says of a failure in its own words. */
export interface WireError {
  /** The JSON-RPC code, the `code` in the body of HTTP+JSON, or the gRPC status code. */
  readonly code: number;
  /** The HTTP status; absent on gRPC. */
  readonly httpStatus?: number;
  /** The `google.rpc.Code` by name that the code stands for. */
  readonly status: string;
  readonly message: string;
  /** ProtoJSON objects, each with its `@type`. */
  readonly details: readonly JsonObject[];
}

/** A failed call: what it says, read from the error form of its binding. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly status: string;
  /** Reason, domain and metadata of the ErrorInfo. */
  readonly reason?: string;
  readonly domain?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly retryDelay?: string;

  constructor(readonly wire: WireError) {
    super(wire.message);
    this.status = wire.status;
    const info = wire.details.find((detail) => typeOf(detail) === 'google.rpc.ErrorInfo');
    this.reason = info?.reason as string | undefined;
    this.domain = info?.domain as string | undefined;
    this.metadata = (info?.metadata ?? {}) as Record<string, string>;
    const requests = wire.details.filter((detail) => typeOf(detail) === 'google.rpc.BadRequest');
    this.violations = requests.flatMap(({ fieldViolations }) => fieldViolations as unknown as FieldViolation[]);
    const retry = wire.details.find((detail) => typeOf(detail) === 'google.rpc.RetryInfo');
    this.retryDelay = retry?.retryDelay as string | undefined;
  }

  /** Everything that does not depend on the binding. */
  get portable(): JsonObject {
    const { status, reason, domain, message, metadata, retryDelay } = this;
    const violations = this.violations.map(({ field, description }) => ({ field, description }));
    const fields = { status, reason, domain, message, metadata, violations, retryDelay };
    return Object.fromEntries(Object.entries(fields).filter((entry) => entry[1] !== undefined)) as JsonObject;
  }
}

function typeOf(detail: JsonObject): string {
  return (detail['@type'] as string).replace(/^type\.googleapis\.com\//, '');
}

/** One event of a task's stream, with its number where the binding tells it. */
export interface ProtocolEvent {
  readonly sequence?: number;
  readonly response: StreamResponseJson;
}

/** A stream of events, read one by one; what has come so far stays at hand. */
export class ProtocolStream {
  /** The events that have been read. */
  readonly events: ProtocolEvent[] = [];
  private readonly source: AsyncIterator<ProtocolEvent>;

  /** @param close hangs up. */
  constructor(
    source: AsyncIterable<ProtocolEvent>,
    readonly close: () => void,
  ) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** The next event; undefined at the end. Rejects with {@link ProtocolError} at an error in the stream. */
  async next(): Promise<ProtocolEvent | undefined> {
    const { done, value } = await this.source.next();
    if (done) return undefined;
    this.events.push(value);
    return value;
  }

  /** Reads up to the first event that matches, and gives it. */
  async until(matches: (event: ProtocolEvent) => boolean): Promise<ProtocolEvent> {
    for (let event = await this.next(); event; event = await this.next()) if (matches(event)) return event;
    throw new Error('the stream ended before such an event');
  }

  /** Reads to the end, and gives all events since the beginning. */
  async all(): Promise<ProtocolEvent[]> {
    while (await this.next());
    return this.events;
  }
}

/** The state an event tells of, if it does. */
export function stateOf({ response }: ProtocolEvent): TaskStateJson | undefined {
  return (response.task ?? response.statusUpdate)?.status?.state;
}
