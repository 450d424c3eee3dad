import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import {
  type Server,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';

/** Server reflection, v1 and v1alpha, for these services: what tools such as grpcurl learn them from. */
export function addReflection(server: Server, services: readonly DescService[]): void {
  const reflection = new ReflectionService(packageOf(services), { services: services.map(({ typeName }) => typeName) });
  reflection.addToServer({
    addService: (definition, handlers) => server.addService(definition, paced(definition, handlers)),
  });
}

/** The files of the services, and all that those import, in the form in which proto-loader has them: reflection reads the bytes alone. */
function packageOf(services: readonly DescService[]): PackageDefinition {
  const files = new Set<DescFile>();
  for (const { file } of services) collect(file, files);
  const fileDescriptorProtos = [...files].map(({ proto }) => Buffer.from(toBinary(FileDescriptorProtoSchema, proto)));
  return { files: { fileDescriptorProtos } } as unknown as PackageDefinition;
}

function collect(file: DescFile, files: Set<DescFile>): void {
  files.add(file);
  for (const dependency of file.dependencies) collect(dependency, files);
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
