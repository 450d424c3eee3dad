import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { A2AError } from './a2a-error.js';
import { binaryViolation } from './binary-guard.js';

/**
 * Messages inside one another up to which bytes are read, so that `binaryViolation` can name what is too deep: one level of JSON
 * is up to two messages (a Struct in a Value).
 */
const RECURSION_LIMIT = 512;

/**
 * The `schema` message that `bytes` are on the wire; unknown fields are ignored. Throws A2AError INVALID_PARAMS for bytes that
 * are none, and for what `binaryViolation` finds, with the path in JSON names and the fact.
 */
export function decodeBinary<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  const message = read(schema, bytes);
  const unfit = binaryViolation(schema, message);
  if (unfit) throw A2AError.invalidParams([unfit]);
  return message;
}

function read<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false, recursionLimit: RECURSION_LIMIT });
  } catch (cause) {
    const message = `Invalid parameters: the request does not read as ${schema.name}`;
    throw new A2AError('INVALID_PARAMS', { message, cause });
  }
}
