import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';

/** `message` as bytes on the wire, as grpc-js wants them. */
export function messageBytes<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  const { buffer, byteOffset, byteLength } = toBinary(schema, message);
  return Buffer.from(buffer, byteOffset, byteLength);
}
