import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { A2AError, decodeJson, requiredFieldViolations } from '#protocol';

/** The id of a request, given back in its answer with its type. */
export type JsonRpcId = string | number | null;

const MAX_ID_LENGTH = 1024;

/** The id to answer with: the request's own where it has a valid one, else null, as JSON-RPC demands. */
export function idOf(json: unknown): JsonRpcId {
  return isObject(json) && isId(json.id) ? json.id : null;
}

/** The method that a request names, and its `params` as they came. Throws A2AError INVALID_REQUEST. */
export function readEnvelope(json: unknown): { method: string; params: unknown } {
  if (Array.isArray(json)) throw invalidRequest('batches are not supported');
  if (!isObject(json)) throw invalidRequest('it must be an object');
  if (json.jsonrpc !== '2.0') throw invalidRequest('jsonrpc must be "2.0"');
  // Every method of A2A has an answer, so a notification is a mistake that its sender should hear of.
  if (json.id === undefined) throw invalidRequest('id is missing');
  if (!isId(json.id)) {
    throw invalidRequest(`id must be a string of at most ${MAX_ID_LENGTH} characters, a whole number or null`);
  }
  if (typeof json.method !== 'string') throw invalidRequest('method must be a string');
  return { method: json.method, params: json.params };
}

/** The request message of `params`; absent and null count as empty. Throws A2AError INVALID_PARAMS with every violation's path. */
export function readParams({ input }: DescMethod, params: unknown): Message {
  const request = decodeJson(input, params ?? {});
  const violations = requiredFieldViolations(input, request);
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return request;
}

function isId(id: unknown): id is JsonRpcId {
  if (typeof id === 'string') return id.length <= MAX_ID_LENGTH;
  // A number beyond 2^53 could not be given back as it was.
  return id === null || Number.isSafeInteger(id);
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function invalidRequest(fact: string): A2AError {
  return new A2AError('INVALID_REQUEST', { message: `Invalid request: ${fact}` });
}
