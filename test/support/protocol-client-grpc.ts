import {
  createRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import {
  Client,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  Metadata,
  type requestCallback,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { A2AService, BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, RpcStatusSchema } from '#protocol';
import {
  type AgentLocation,
  type CallOptions,
  parametersOf,
  type ProtocolClient,
  ProtocolError,
  type ProtocolEvent,
  ProtocolStream,
  type Results,
  type StreamingOperation,
  type UnaryOperation,
} from './protocol-client.js';
import { METHODS } from './protocol-client-messages.js';

const details = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** A2A over gRPC (specification section 10), over stubs made from the descriptor alone. */
export class GrpcProtocolClient implements ProtocolClient {
  readonly binding = 'GRPC';
  private readonly agent: string | undefined;
  private readonly client: Client;

  constructor({ grpcAddress, agent }: Pick<AgentLocation, 'grpcAddress' | 'agent'>, options?: ClientOptions) {
    this.agent = agent;
    this.client = new Client(grpcAddress, credentials.createInsecure(), options);
  }

  async call<Operation extends UnaryOperation>(
    operation: Operation,
    request: JsonObject = {},
    options?: CallOptions,
  ): Promise<Results[Operation]> {
    const { path, bytes, output } = this.prepared(operation, request);
    return new Promise((resolve, reject) => {
      const done: requestCallback<JsonObject> = (error, answer) => {
        if (error) reject(errorOf(error));
        else resolve(answer as Results[Operation]);
      };
      const call = this.client.makeUnaryRequest(path, same, jsonOf(output), bytes, metadataOf(options), done);
      call.once('metadata', (metadata) => tellMetadata(metadata, options));
    });
  }

  async open(operation: StreamingOperation, request: JsonObject, options?: CallOptions): Promise<ProtocolStream> {
    const { path, bytes, output } = this.prepared(operation, request);
    const call = this.client.makeServerStreamRequest(path, same, jsonOf(output), bytes, metadataOf(options));
    const metadata = await opened(call);
    tellMetadata(metadata, options);
    return new ProtocolStream(eventsOf(call, firstNumber(metadata)), () => call.cancel());
  }

  close(): void {
    this.client.close();
  }

  /** gRPC has no URL for an agent: the tenant field, a routing key, names it. */
  private prepared(operation: string, request: JsonObject) {
    const { name, input, output } = METHODS.get(operation)!;
    const tenant = (request.tenant as string | undefined) ?? '';
    const key = this.agent === undefined ? tenant : `${tenant}/${this.agent}`;
    const message = fromJson(input, { ...request, tenant: key }, { ignoreUnknownFields: true });
    return { path: `/${A2AService.typeName}/${name}`, bytes: toBinary(input, message), output };
  }
}

function same(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

/** Reads answers of a schema as canonical ProtoJSON. */
function jsonOf(schema: DescMessage): (bytes: Buffer) => JsonObject {
  return (bytes) => toJson(schema, fromBinary(schema, bytes)) as JsonObject;
}

function metadataOf(options?: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(parametersOf(options))) metadata.set(name, value);
  return metadata;
}

function tellMetadata(metadata: Metadata, options?: CallOptions): void {
  options?.onHeaders?.((name) => metadata.get(name)[0]?.toString());
}

/** Resolves when the server has begun the stream; a stream that it refuses has a status and no metadata. */
function opened(call: ClientReadableStream<JsonObject>): Promise<Metadata> {
  return new Promise((resolve, reject) => {
    call.once('metadata', resolve);
    call.once('error', (error: ServiceError) => reject(errorOf(error)));
  });
}

/** The headers of a stream have the number of its first event. */
function firstNumber(metadata: Metadata): number | undefined {
  const [number] = metadata.get('event-id');
  return number === undefined ? undefined : Number(number);
}

async function* eventsOf(
  call: ClientReadableStream<JsonObject>,
  first: number | undefined,
): AsyncGenerator<ProtocolEvent> {
  let read = 0;
  try {
    for await (const response of call) {
      yield {
        sequence: first === undefined ? undefined : first + read++,
        response: response as ProtocolEvent['response'],
      };
    }
  } catch (error) {
    throw errorOf(error as ServiceError);
  }
}

/** What the status of a call says, its details taken from `grpc-status-details-bin`. */
function errorOf(error: ServiceError): ProtocolError {
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const wire = bytes instanceof Buffer ? fromBinary(RpcStatusSchema, bytes) : undefined;
  return new ProtocolError({
    code: error.code,
    status: status[error.code],
    message: error.details,
    details:
      wire?.details.map((any: Message) => toJson(AnySchema, any as never, { registry: details }) as JsonObject) ?? [],
  });
}
