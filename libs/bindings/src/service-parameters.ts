import { type Message } from '@bufbuild/protobuf';
import { type Agent, buildAgentCard } from '#agents';
import { A2AError, type AgentExtension } from '#protocol';

/** The value of a service parameter (an HTTP header, a gRPC metadata key) by its name in lower case; undefined when absent. */
export type ServiceParameters = (name: string) => string | undefined;

const KEY = 'idempotency-key';

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

/** The event number of `Last-Event-ID`, after which a stream resumes. Throws A2AError INVALID_PARAMS for anything but a whole number. */
export function lastEventId(parameters: ServiceParameters): number | undefined {
  const text = parameters('last-event-id')?.trim() ?? '';
  if (text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw A2AError.invalidParams('Last-Event-ID', 'must be a whole number, 0 or more');
  return Number(text);
}

/**
 * The URIs of `A2A-Extensions` (comma separated) that the agent knows; others are ignored.
 * Throws A2AError EXTENSION_SUPPORT_REQUIRED when one is missing that the agent's card marks as required.
 */
export function activatedExtensions(parameters: ServiceParameters, agent: Agent): string[] {
  const known = extensionsOf(agent);
  const asked = new Set(
    parameters('a2a-extensions')
      ?.split(',')
      .map((uri) => uri.trim()),
  );
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

const extensionsByAgent = new WeakMap<Agent, AgentExtension[]>();

function extensionsOf(agent: Agent): AgentExtension[] {
  let extensions = extensionsByAgent.get(agent);
  if (!extensions) {
    // Any address does: the card is asked for its extensions alone.
    extensions = buildAgentCard(agent, { url: '', protocolVersion: '' }).capabilities?.extensions ?? [];
    extensionsByAgent.set(agent, extensions);
  }
  return extensions;
}
