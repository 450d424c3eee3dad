import {
  type Server,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { type ThreadSettings } from '../thread-messages.js';

/** Server reflection, v1 and v1alpha, for these services: what tools such as grpcurl learn them from. */
export function addReflection(server: Server, { services, files }: Pick<ThreadSettings, 'services' | 'files'>): void {
  // In the form in which proto-loader has them: reflection reads the bytes alone.
  const fileDescriptorProtos = files.map((file) => Buffer.from(file));
  const definition = { files: { fileDescriptorProtos } } as unknown as PackageDefinition;
  const reflection = new ReflectionService(definition, { services: [...services] });
  reflection.addToServer({
    addService: (service, handlers) => server.addService(service, paced(service, handlers)),
  });
}

/** Handlers that take no further question while their answers wait for the reader. */
function paced(definition: ServiceDefinition, handlers: UntypedServiceImplementation): UntypedServiceImplementation {
  const handler = (name: string) => (stream: ServerDuplexStream<unknown, unknown>) => {
    (handlers[name] as (stream: ServerDuplexStream<unknown, unknown>) => void)(stream);
    stream.on('data', () => {
      if (stream.writableNeedDrain) stream.pause().once('drain', () => stream.resume());
    });
  };
  return Object.fromEntries(Object.keys(definition).map((name) => [name, handler(name)]));
}
