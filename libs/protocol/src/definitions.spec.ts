import { createHash } from 'node:crypto';
import { type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import * as v03 from './gen/a2a/v1/a2a_pb.js';
import { A2AService } from './gen/lf/a2a/v1/a2a_pb.js';

/**
 * Digests of the published definitions (`specification/a2a.proto` of v1.0.0, `specification/grpc/a2a.proto` of v0.3.0):
 * names, numbers, types and options, without comments. To see what they stand for, generate from the published file
 * instead of ours and print them.
 */
const PUBLISHED: readonly (readonly [DescService, string])[] = [
  [A2AService, 'de6df46d0850dc4fb66a8fc217a7c814780a0b6b472467d4aabfd10c829d1482'],
  [v03.A2AService, '6c679fbf4253d4acc55d0fb01322053e188d2f48dafdc6bf910e6f9cd63e7647'],
];

describe('the definitions in proto/', () => {
  it.each(PUBLISHED.map(([service, digest]) => [service.file.proto.package, service, digest] as const))(
    'describe package %s as it was published',
    (_, { file }, digest) => {
      const bytes = toBinary(FileDescriptorProtoSchema, file.proto);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest);
    },
  );
});
