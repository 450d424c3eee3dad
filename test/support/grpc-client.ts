import {
  create,
  createRegistry,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type JsonObject,
  type Message,
  type MessageInitShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { A2AService, BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, RpcStatusSchema } from '#protocol';

type Methods = typeof A2AService.method;
type Init<Name extends keyof Methods> = MessageInitShape<Methods[Name]['input']>;
type Output<Name extends keyof Methods> = ReturnType<typeof create<Methods[Name]['output']>>;

/** How a call goes out beside its request. Metadata that is undefined is left away. */
export interface GrpcCallOptions {
  readonly metadata?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

/** An answer with its headers. */
export interface GrpcAnswer<T> {
  readonly message: T;
  readonly headers: Metadata;
}

/** The status that ended a call. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly code: number;
  readonly trailers: Metadata;
  /** The details of `grpc-status-details-bin` as ProtoJSON, each with its `@type`. */
  readonly details: JsonObject[];

  constructor({ code, details, metadata }: ServiceError) {
    super(details);
    this.code = code;
    this.trailers = metadata;
    const [bytes] = metadata.get('grpc-status-details-bin');
    const status = bytes === undefined ? undefined : fromBinary(RpcStatusSchema, bytes as Buffer);
    if (status && (status.code !== Number(code) || status.message !== details))
      throw new Error('the two statuses differ');
    this.details = (status?.details ?? []).map((any) => toJson(AnySchema, any, { registry: DETAILS }) as JsonObject);
  }

  /** The reason of its ErrorInfo. */
  get reason(): unknown {
    return this.details.find(({ reason }) => reason !== undefined)?.reason;
  }

  /** What its BadRequest names. */
  get violations(): unknown {
    return this.details.find(({ fieldViolations }) => fieldViolations !== undefined)?.fieldViolations;
  }
}

const DETAILS = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** Speaks A2A 1.0 over gRPC by hand: what goes over the wire is the test's to see and to spoil. */
export class GrpcClient {
  private readonly client: Client;

  constructor(target: string, channel: ChannelCredentials = credentials.createInsecure(), options: ClientOptions = {}) {
    // A channel of its own, or clients of one target would share a connection.
    this.client = new Client(target, channel, { 'grpc.use_local_subchannel_pool': 1, ...options });
  }

  /** Rejects with {@link GrpcError}. */
  call<Name extends keyof Methods>(
    name: Name,
    request: Init<Name>,
    options?: GrpcCallOptions,
  ): Promise<GrpcAnswer<Output<Name>>> {
    const { input, output } = A2AService.method[name];
    const bytes = toBinary(input as DescMessage, create(input as DescMessage, request as never));
    return this.send(A2AService.method[name], bytes, options).then(({ message, headers }) => ({
      message: fromBinary(output, message) as Output<Name>,
      headers,
    }));
  }

  /** The same for any bytes, answered with bytes. */
  send(method: DescMethod, bytes: Uint8Array, options: GrpcCallOptions = {}): Promise<GrpcAnswer<Buffer>> {
    return this.sendTo(pathOf(method), bytes, options);
  }

  /** The same for any path. */
  sendTo(path: string, bytes: Uint8Array, options: GrpcCallOptions = {}): Promise<GrpcAnswer<Buffer>> {
    return new Promise((resolve, reject) => {
      let headers = new Metadata();
      const call = this.client.makeUnaryRequest(
        path,
        bufferOf,
        (answer) => answer,
        bytes,
        metadataOf(options),
        { deadline: options.deadline },
        (error, message) => (error ? reject(new GrpcError(error)) : resolve({ message: message!, headers })),
      );
      call.on('metadata', (received: Metadata) => (headers = received));
      options.signal?.addEventListener('abort', () => call.cancel(), { once: true });
    });
  }

  /** Opens a stream; what it is refused with is for `next` to tell. */
  open<Name extends 'sendStreamingMessage' | 'subscribeToTask'>(
    name: Name,
    request: Init<Name>,
    options: GrpcCallOptions = {},
  ): GrpcStream<Output<Name>> {
    const { input } = A2AService.method[name];
    const bytes = toBinary(input as DescMessage, create(input as DescMessage, request as never));
    return this.openBytes(A2AService.method[name], bytes, options);
  }

  /** The same for any method and any bytes. */
  openBytes<T extends Message>(method: DescMethod, bytes: Uint8Array, options: GrpcCallOptions = {}): GrpcStream<T> {
    const read = (answer: Buffer) => fromBinary(method.output, answer) as T;
    const { deadline } = options;
    return new GrpcStream(
      this.client.makeServerStreamRequest(pathOf(method), bufferOf, read, bytes, metadataOf(options), { deadline }),
    );
  }

  close(): void {
    this.client.close();
  }
}

/** A stream of messages, read one by one. */
export class GrpcStream<T extends Message> {
  /** The headers; they come before the first message. */
  headers = new Metadata();
  /** The trailers; they come at the end. */
  trailers = new Metadata();
  private readonly items: AsyncIterator<T>;
  private readonly ended: Promise<unknown>;

  constructor(readonly call: ClientReadableStream<T>) {
    call.on('metadata', (headers: Metadata) => (this.headers = headers));
    call.on('status', ({ metadata }: { metadata: Metadata }) => (this.trailers = metadata));
    this.ended = new Promise((resolve) => call.once('status', resolve));
    this.items = call[Symbol.asyncIterator]() as AsyncIterator<T>;
  }

  /** The next message; undefined at the end. Rejects with {@link GrpcError}. */
  async next(): Promise<T | undefined> {
    try {
      const { done, value } = await this.items.next();
      if (!done) return value;
      await this.ended;
      return undefined;
    } catch (error) {
      throw new GrpcError(error as ServiceError);
    }
  }

  /** Reads to the end. */
  async all(): Promise<T[]> {
    const messages: T[] = [];
    for (let message = await this.next(); message; message = await this.next()) messages.push(message);
    return messages;
  }

  cancel(): void {
    this.call.cancel();
  }
}

/** The path of a method. */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

function metadataOf({ metadata = {} }: GrpcCallOptions): Metadata {
  const entries = new Metadata();
  for (const [key, value] of Object.entries({ 'a2a-version': '1.0', ...metadata })) {
    for (const one of [value ?? []].flat()) entries.add(key, one);
  }
  return entries;
}
