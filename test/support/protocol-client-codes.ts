import { type Binding, type ProtocolError } from './protocol-client.js';

/** The codes of A2A's errors (specification 1.0.1, section 5.4), written down apart from the server's own table. */
export const SPECIFIED_CODES: Readonly<Record<string, { jsonRpc: number; grpc: number; http: number }>> = {
  TASK_NOT_FOUND: { jsonRpc: -32001, grpc: 5, http: 404 },
  TASK_NOT_CANCELABLE: { jsonRpc: -32002, grpc: 9, http: 400 },
  PUSH_NOTIFICATION_NOT_SUPPORTED: { jsonRpc: -32003, grpc: 9, http: 400 },
  UNSUPPORTED_OPERATION: { jsonRpc: -32004, grpc: 9, http: 400 },
  CONTENT_TYPE_NOT_SUPPORTED: { jsonRpc: -32005, grpc: 3, http: 400 },
  INVALID_AGENT_RESPONSE: { jsonRpc: -32006, grpc: 13, http: 500 },
  EXTENDED_AGENT_CARD_NOT_CONFIGURED: { jsonRpc: -32007, grpc: 9, http: 400 },
  EXTENSION_SUPPORT_REQUIRED: { jsonRpc: -32008, grpc: 9, http: 400 },
  VERSION_NOT_SUPPORTED: { jsonRpc: -32009, grpc: 9, http: 400 },
};

/** The codes of what else goes wrong, by the `google.rpc.Code` it is. */
const PLAIN_CODES: typeof SPECIFIED_CODES = {
  INVALID_ARGUMENT: { jsonRpc: -32602, grpc: 3, http: 400 },
  INTERNAL: { jsonRpc: -32603, grpc: 13, http: 500 },
  RESOURCE_EXHAUSTED: { jsonRpc: -32000, grpc: 8, http: 429 },
  UNAVAILABLE: { jsonRpc: -32000, grpc: 14, http: 503 },
};

/** What is wrong with the codes of an error over a binding; undefined where they are the specified ones. */
export function codeMistake(binding: Binding, { reason, status, wire }: ProtocolError): string | undefined {
  const specified = SPECIFIED_CODES[reason ?? ''] ?? PLAIN_CODES[status];
  if (!specified) return `${reason ?? status} is no error of the specification`;
  const expected = { JSONRPC: specified.jsonRpc, 'HTTP+JSON': specified.http, GRPC: specified.grpc }[binding];
  if (wire.code !== expected) return `${reason ?? status} has the code ${wire.code}, not ${expected}`;
  if (binding === 'HTTP+JSON' && wire.httpStatus !== expected) return `${reason} has the status ${wire.httpStatus}`;
  return undefined;
}
