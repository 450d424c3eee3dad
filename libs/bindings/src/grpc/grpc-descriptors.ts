import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** The FileDescriptorProtos of these services, and of all that those import, in binary form. */
export function descriptorFiles(services: readonly DescService[]): Uint8Array[] {
  const files = new Set<DescFile>();
  for (const { file } of services) collect(file, files);
  return [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
}

function collect(file: DescFile, files: Set<DescFile>): void {
  files.add(file);
  for (const dependency of file.dependencies) collect(dependency, files);
}
