import { type JsonObject } from '@bufbuild/protobuf';
import { type StreamResponseJson } from '#protocol';
import { type Content, sendParams, type SendParams } from '../support/json-rpc.js';
import {
  type Binding,
  type CallOptions,
  type ProtocolClient,
  type ProtocolEvent,
  ProtocolError,
  type ProtocolStream,
  type StreamingOperation,
  type UnaryOperation,
} from '../support/protocol-client.js';
import { codeMistake } from '../support/protocol-client-codes.js';

/** One case of the table: what a client does, over each binding in turn, and what comes of it on all of them. */
export interface Row {
  readonly name: string;
  /** Whom it talks to. Default: `conformance`. */
  readonly agent?: string;
  /** The bindings that can express it. Default: all. */
  readonly over?: readonly Binding[];
  /** Does it; resolves with what is to be compared. A ProtocolError counts as an outcome too. */
  readonly run: (client: ProtocolClient) => Promise<unknown>;
  /** What the outcome holds, its ids, times and tokens normalised: `id-1`, `time`, `token`. */
  readonly expected: unknown;
}

/** A task id that no task has. */
export const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

/** The bindings whose requests are JSON. */
export const JSON_BINDINGS: readonly Binding[] = ['JSONRPC', 'HTTP+JSON'];

/** A request that sends a message; `content` and `params` as with the JSON-RPC client. */
export function sending(content: Content, params?: SendParams): JsonObject {
  return sendParams(content, params);
}

/** Sends a message and gives the task. */
export async function send(client: ProtocolClient, content: Content, params?: SendParams, options?: CallOptions) {
  const { task } = await client.call('SendMessage', sending(content, params), options);
  if (!task) throw new Error('the answer has no task');
  return task as typeof task & { id: string; contextId: string };
}

/** The same, answered as soon as the task is accepted. */
export function start(client: ProtocolClient, content: Content, params: SendParams = {}) {
  return send(client, content, { ...params, configuration: { ...params.configuration, returnImmediately: true } });
}

/** A row's `run` that is one unary call. */
export function calls(operation: UnaryOperation, request: JsonObject = {}, options?: CallOptions): Row['run'] {
  return (client) => client.call(operation, request, options);
}

/** A row's `run` that opens one stream and reads it to its end. */
export function streams(operation: StreamingOperation, request: JsonObject, options?: CallOptions): Row['run'] {
  return async (client) => responses(await client.open(operation, request, options));
}

/** What a stream says, to its end. Its numbers, where the binding tells them, must go up one by one. */
export async function responses(stream: ProtocolStream): Promise<StreamResponseJson[]> {
  const events = await stream.all();
  assertNumbered(events);
  return events.map(({ response }) => response);
}

function assertNumbered(events: readonly ProtocolEvent[]): void {
  const numbers = events.map(({ sequence }) => sequence);
  const first = numbers[0];
  if (first === undefined) return;
  if (numbers.some((number, index) => number !== first + index))
    throw new Error(`events are numbered ${numbers.join()}`);
}

/** What running the row leads to over one binding, normalised. */
export async function outcomeOf({ run }: Row, client: ProtocolClient): Promise<unknown> {
  try {
    return normalised(await run(client));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const mistake = codeMistake(client.binding, error);
    return normalised({ error: error.portable, ...(mistake !== undefined && { mistake }) });
  }
}

/**
 * What a refusal of a version says on every binding. Which versions are served instead is a matter of the interface: one
 * JSON-RPC endpoint takes both, while HTTP+JSON and gRPC have routes and services of their own for 0.3.
 */
export async function versionRefusal(call: Promise<unknown>): Promise<unknown> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (!(error instanceof ProtocolError)) throw new Error('the version was not refused', { cause: error });
  const { status, reason = '', domain = '', metadata } = error;
  return { error: { status, reason, domain }, requestedVersion: metadata.requestedVersion };
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z/g;

/** A copy with ids numbered by their first appearance, and times and page tokens named alike. */
function normalised(outcome: unknown): unknown {
  const ids = new Map<string, string>([[UNKNOWN_ID, 'no-id']]);
  const alias = (id: string) => {
    if (!ids.has(id)) ids.set(id, `id-${ids.size}`);
    return ids.get(id)!;
  };
  const walk = (value: unknown, key = ''): unknown => {
    if (key === 'nextPageToken') return 'token';
    if (typeof value === 'string') return value.replace(UUID, alias).replace(TIME, 'time');
    if (Array.isArray(value)) return value.map((item) => walk(item));
    if (typeof value !== 'object' || value === null) return value;
    // Objects from different bindings may have their keys in different orders.
    const entries = Object.entries(value).filter((entry) => entry[1] !== undefined);
    return Object.fromEntries(
      entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, item]) => [name, walk(item, name)]),
    );
  };
  return walk(outcome);
}
