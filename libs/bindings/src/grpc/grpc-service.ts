import { type DescMethod, type DescService, type Message } from '@bufbuild/protobuf';
import { type A2AErrorReason, type CallContext, type Sequenced } from '#protocol';
import { type PathAddress } from '../address.js';
import { type ServiceParameters } from '../service-parameters.js';

/** Injection token of the `readonly GrpcService[]` that the gRPC server serves. */
export const GRPC_SERVICES = Symbol('perdure.grpc-services');

/**
 * One service on the gRPC server. The server does what all have in common: it decodes and checks the request, makes the context,
 * bounds and ends calls, and tells errors. What a service throws as A2AError reaches the client as its status.
 */
export interface GrpcService {
  readonly descriptor: DescService;
  /** The paths of fields that its definition requires and its clients leave empty all the same. */
  readonly leftEmpty?: readonly string[];
  /** Throws A2AError VERSION_NOT_SUPPORTED where the caller asks for a version that this service does not speak. */
  checkVersion(parameters: ServiceParameters): void;
  /** Whom the metadata names: what a URL says over HTTP. */
  address(parameters: ServiceParameters): PathAddress;
  /** The status code by which clients of the service know an error. */
  codeOf(reason: A2AErrorReason): number;
  /** The answer, a message of `method.output`, to a `request` of `method.input`. */
  unary(method: DescMethod, request: Message, context: CallContext): Promise<Message>;
  /** The events of a stream; nothing runs before the first one is asked for. */
  stream(method: DescMethod, request: Message, context: CallContext): AsyncIterable<Sequenced<Message>>;
}

/** One method of a service. */
export interface GrpcMethod {
  readonly service: GrpcService;
  readonly descriptor: DescMethod;
}
