import { type DescField, type DescMessage } from '@bufbuild/protobuf';

/**
 * The members of `json` that strict parsers refuse: those that the message has no field for under their JSON name, and nulls
 * where a field is. Python's and Java's clients fail at the first one. Paths are those of the members.
 */
export function strangeMembers(schema: DescMessage, json: unknown, path = schema.name): string[] {
  // Struct and Value hold any JSON; timestamps are texts.
  if (schema.typeName.startsWith('google.protobuf.')) return [];
  if (!isObject(json)) return [`${path} is no object`];
  const fields = new Map(schema.fields.map((field) => [field.jsonName, field]));
  return Object.entries(json).flatMap(([name, value]) => {
    const field = fields.get(name);
    return field ? strangeValues(field, value, `${path}.${name}`) : [`${path}.${name}`];
  });
}

function strangeValues(field: DescField, value: unknown, path: string): string[] {
  if (value === null && field.message?.typeName !== 'google.protobuf.Value') return [`${path} is null`];
  const { message } = field;
  if (!message) return [];
  if (field.fieldKind === 'list') {
    const items = Array.isArray(value) ? value : [undefined];
    return items.flatMap((item, index) => strangeMembers(message, item, `${path}[${index}]`));
  }
  if (field.fieldKind === 'map') {
    return Object.entries(value as object).flatMap(([key, item]) => strangeMembers(message, item, `${path}.${key}`));
  }
  return strangeMembers(message, value, path);
}

/** A type of 0.3's JSON: its members, those that are optional with a `?` behind them, and the types of those that have one. */
interface LegacyType {
  readonly members: string;
  readonly kind?: string;
  readonly types?: Readonly<Record<string, LegacyTypeName>>;
}

type LegacyTypeName = keyof typeof LEGACY_TYPES;

/** Types of 0.3 (its `specification/json/a2a.json`), restated: what parsers of its SDKs require, and what they know. */
const LEGACY_TYPES = {
  AgentCard: {
    members:
      'capabilities defaultInputModes defaultOutputModes description name protocolVersion skills url version ' +
      'additionalInterfaces? documentationUrl? iconUrl? preferredTransport? provider? security? securitySchemes? ' +
      'signatures? supportsAuthenticatedExtendedCard?',
    types: { capabilities: 'AgentCapabilities', skills: 'AgentSkill', additionalInterfaces: 'AgentInterface' },
  },
  AgentCapabilities: { members: 'extensions? pushNotifications? stateTransitionHistory? streaming?' },
  AgentSkill: { members: 'description id name tags examples? inputModes? outputModes? security?' },
  AgentInterface: { members: 'transport url' },
  Task: {
    kind: 'task',
    members: 'contextId id kind status artifacts? history? metadata?',
    types: { status: 'TaskStatus', artifacts: 'Artifact', history: 'Message' },
  },
  TaskStatus: { members: 'state message? timestamp?', types: { message: 'Message' } },
  Message: {
    kind: 'message',
    members: 'kind messageId parts role contextId? extensions? metadata? referenceTaskIds? taskId?',
    types: { parts: 'Part' },
  },
  Part: { members: 'kind text? file? data? metadata?', types: { file: 'File' } },
  File: { members: 'bytes? uri? mimeType? name?' },
  Artifact: { members: 'artifactId parts description? extensions? metadata? name?', types: { parts: 'Part' } },
  TaskStatusUpdateEvent: {
    kind: 'status-update',
    members: 'contextId final kind status taskId metadata?',
    types: { status: 'TaskStatus' },
  },
  TaskArtifactUpdateEvent: {
    kind: 'artifact-update',
    members: 'artifact contextId kind taskId append? lastChunk? metadata?',
    types: { artifact: 'Artifact' },
  },
} as const satisfies Record<string, { readonly members: string; readonly kind?: string; readonly types?: object }>;

/** How `others` that a type of 0.3 does not know count. */
export type Others = 'refused' | 'ignored';

/** What a parser of 0.3 misses in `json` or, unless `others` are ignored, does not know. */
export function legacyFaults(
  name: LegacyTypeName,
  json: unknown,
  others: Others = 'refused',
  path: string = name,
): string[] {
  if (!isObject(json)) return [`${path} is no object`];
  const { members, kind, types = {} }: LegacyType = LEGACY_TYPES[name];
  const names = members.split(' ');
  const required = names.filter((member) => !member.endsWith('?'));
  const known = new Set(names.map((member) => member.replace('?', '')));
  return [
    ...required.filter((member) => json[member] === undefined).map((member) => `${path}.${member} is missing`),
    ...(kind !== undefined && json.kind !== kind ? [`${path}.kind is not ${kind}`] : []),
    ...Object.entries(json).flatMap(([member, value]) => {
      if (value === null) return [`${path}.${member} is null`];
      if (!known.has(member)) return others === 'refused' ? [`${path}.${member} is unknown`] : [];
      const type = types[member];
      if (!type) return [];
      const values = Array.isArray(value) ? value : [value];
      return values.flatMap((item, index) => legacyFaults(type, item, others, `${path}.${member}[${index}]`));
    }),
  ];
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
