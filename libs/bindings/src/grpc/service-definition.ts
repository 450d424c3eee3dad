import { type DescService } from '@bufbuild/protobuf';
import {
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type GrpcCalls } from './grpc-calls.js';
import { type GrpcService } from './grpc-service.js';

/** The service as grpc-js knows it; its messages come and go as bytes, so that what is wrong with one gets an answer of ours. */
export function serviceDefinition({ typeName, methods }: DescService): ServiceDefinition {
  const entries = methods.map(({ name, methodKind }) => {
    const path = `/${typeName}/${name}`;
    const responseStream = methodKind === 'server_streaming';
    const bytes = {
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    return [name, { path, requestStream: false, responseStream, ...bytes }] as const;
  });
  return Object.fromEntries(entries);
}

/** A handler for each method of the service: the one for unary methods, or the one for streams. */
export function handlersOf(service: GrpcService, calls: GrpcCalls): UntypedServiceImplementation {
  const entries = service.descriptor.methods.map((descriptor) => {
    const method = { service, descriptor };
    const unary = (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) =>
      void calls.unary(method, call, respond);
    const stream = (call: ServerWritableStream<Buffer, Buffer>) => void calls.stream(method, call);
    return [descriptor.name, descriptor.methodKind === 'unary' ? unary : stream] as const;
  });
  return Object.fromEntries(entries);
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
