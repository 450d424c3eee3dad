import { type Message } from '@bufbuild/protobuf';
import { type Agent, buildAgentCard } from '#agents';
import { A2AError, type AgentExtension, parsePushFilter, type PushFilter } from '#protocol';

/** The value of a service parameter (an HTTP header, a gRPC metadata key) by its name in lower case; undefined when absent. */
export type ServiceParameters = (name: string) => string | undefined;

const KEY = 'idempotency-key';
/** The name of the parameter in 1.0, and in 0.3. */
const EXTENSIONS = ['a2a-extensions', 'x-a2a-extensions'];

/**
 * The key under which a repeated call gives the same result: the `Idempotency-Key` parameter or `metadata["idempotency-key"]`
 * of the request. Throws A2AError INVALID_PARAMS for a key that is not 1 to 255 printable ASCII characters, and for two that differ.
 */
export function idempotencyKey(parameters: ServiceParameters, request: Message): string | undefined {
  const header = parameters(KEY);
  const keys = [
    ...(header === undefined ? [] : [checkedKey('Idempotency-Key', header)]),
    ...metadataEntries(request)
      .filter(([name]) => name.toLowerCase() === KEY)
      .map(([name, value]) => checkedKey(`metadata["${name}"]`, value)),
  ];
  if (keys.some((key) => key !== keys[0])) {
    throw A2AError.invalidParams('Idempotency-Key', 'is given twice, with different values');
  }
  return keys[0];
}

function metadataEntries(request: Message): [string, unknown][] {
  return 'metadata' in request ? Object.entries(request.metadata ?? {}) : [];
}

function checkedKey(field: string, key: unknown): string {
  if (typeof key === 'string' && /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw A2AError.invalidParams(field, 'must be 1 to 255 printable ASCII characters');
}

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The caller's span (W3C Trace Context, section 3.2). What is not valid is passed over: a call does not fail for its trace. */
export function traceparent(parameters: ServiceParameters): string | undefined {
  const text = parameters('traceparent')?.trim();
  return text !== undefined && TRACEPARENT.test(text) ? text : undefined;
}

/** The event number of `Last-Event-ID`, after which a stream resumes. Throws A2AError INVALID_PARAMS for anything but a whole number. */
export function lastEventId(parameters: ServiceParameters): number | undefined {
  const text = parameters('last-event-id')?.trim() ?? '';
  if (text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw A2AError.invalidParams('Last-Event-ID', 'must be a whole number, 0 or more');
  return Number(text);
}

/** What `Push-Filter` says of the webhook that the call makes. Throws A2AError INVALID_PARAMS for what is no filter. */
export function pushFilter(parameters: ServiceParameters): PushFilter | undefined {
  const text = parameters('push-filter');
  return text === undefined ? undefined : parsePushFilter(text);
}

/**
 * The URIs that the call asks for and the agent knows; others are ignored (specification section 4.6). They stand in the parameter
 * `A2A-Extensions` (`X-A2A-Extensions` in 0.3), separated by commas, and in `metadata["a2a-extensions"]` of the request, as
 * such a text or as a list. Throws A2AError EXTENSION_SUPPORT_REQUIRED when one is missing that the agent's card marks as
 * required, INVALID_PARAMS for metadata of another type.
 */
export function activatedExtensions(parameters: ServiceParameters, request: Message, agent: Agent): string[] {
  const known = extensionsOf(agent);
  const asked = new Set([
    ...EXTENSIONS.flatMap((name) => urisIn(parameters(name) ?? '')),
    ...metadataEntries(request)
      .filter(([name]) => EXTENSIONS.includes(name.toLowerCase()))
      .flatMap(([name, value]) => metadataUris(`metadata["${name}"]`, value)),
  ]);
  const missing = known.filter(({ uri, required }) => required && !asked.has(uri)).map(({ uri }) => uri);
  if (missing.length > 0) {
    const extensions = missing.join(', ');
    throw new A2AError('EXTENSION_SUPPORT_REQUIRED', {
      message: `The agent requires extensions that A2A-Extensions does not name: ${extensions}`,
      metadata: { extensions },
    });
  }
  return known.map(({ uri }) => uri).filter((uri) => asked.has(uri));
}

function urisIn(text: string): string[] {
  return text.split(',').map((uri) => uri.trim());
}

function metadataUris(field: string, value: unknown): string[] {
  const texts: unknown[] = Array.isArray(value) ? value : [value];
  if (texts.every((text) => typeof text === 'string')) return texts.flatMap(urisIn);
  throw A2AError.invalidParams(field, 'must be a string or a list of strings');
}

const extensionsByAgent = new WeakMap<Agent, AgentExtension[]>();

function extensionsOf(agent: Agent): AgentExtension[] {
  let extensions = extensionsByAgent.get(agent);
  if (!extensions) {
    extensions = buildAgentCard(agent, [], { pushes: true }).capabilities?.extensions ?? [];
    extensionsByAgent.set(agent, extensions);
  }
  return extensions;
}
