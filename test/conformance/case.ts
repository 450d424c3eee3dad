import { type JsonObject } from '@bufbuild/protobuf';
import { type Binding, type CallOptions, ProtocolError, type ProtocolClient } from '../support/protocol-client.js';
import { fetchAnswer, type HttpAnswer } from '../support/json-rpc.js';

/** The bindings whose answers are JSON. */
export const JSON_BINDINGS: readonly Binding[] = ['JSONRPC', 'HTTP+JSON'];

/** Where a case runs: over one binding, or against what the server serves beside them (agent cards). */
export type Place = Binding | 'CARD';

/** What a case has to work with. */
export interface World {
  /** Base URL of the server; the conformance agent is its default agent. */
  readonly url: string;
  /** A client of the conformance agent over the binding of the case; over JSON-RPC where it is a case of cards. */
  readonly client: ProtocolClient;
  /** A client of another agent over the same binding: `reduced`, `extended`. */
  readonly at: (agent: string) => ProtocolClient;
}

/** One case, and the requirements it holds the server to; it throws where the server does not keep them. */
export interface ConformanceCase {
  readonly name: string;
  /** Ids of the kit's; those of ACTS begin with `ACTS `. */
  readonly requirements: readonly string[];
  /** Where it runs. Default: over all three bindings. */
  readonly over?: readonly Place[];
  readonly run: (world: World) => Promise<void>;
}

/** A task id that no task has. */
export const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

/** The error that a call must end with. */
export async function refusal(call: Promise<unknown>): Promise<ProtocolError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ProtocolError) return error;
  throw new Error('the call was not refused by an error of the protocol', { cause: error });
}

/** Posts a JSON-RPC request to the default agent as it is, and gives the answer as it came. */
export function postRpc(url: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetchAnswer(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0', ...headers },
    body: text,
  });
}

/** A JSON-RPC request. */
export function rpc(method: string, params: JsonObject = {}, id: string | number = 1): JsonObject {
  return { jsonrpc: '2.0', id, method, params };
}

/** Makes an HTTP+JSON request to the default agent, and gives the answer as it came. */
export function rest(
  url: string,
  [verb, path]: readonly ['GET' | 'POST' | 'DELETE', string],
  { body, headers = {} }: { body?: JsonObject | string; headers?: Record<string, string> } = {},
): Promise<HttpAnswer> {
  const text = typeof body === 'string' ? body : body && JSON.stringify(body);
  return fetchAnswer(url + path, {
    method: verb,
    headers: {
      ...(text !== undefined && { 'content-type': 'application/a2a+json' }),
      'a2a-version': '1.0',
      ...headers,
    },
    body: text,
  });
}

/** A version, or what else a call says beside its request. */
export function withParameters(parameters: Record<string, string | undefined>): CallOptions {
  return { parameters };
}
