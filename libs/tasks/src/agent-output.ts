import { create, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf';
import { type ArtifactOptions, type Content } from '#agents';
import {
  A2AError,
  type Artifact,
  ArtifactSchema,
  decodeJson,
  type MessageJson,
  MessageSchema,
  type Part,
  PartSchema,
  partViolations,
} from '#protocol';

/** The agent gave something that is not content of the protocol. The text is for its author. */
export class InvalidOutputError extends Error {
  override readonly name: string = 'InvalidOutputError';
}

const PART_FIELDS = new Set(['text', 'raw', 'url', 'data', 'metadata', 'filename', 'mediaType']);

/** The parts that an agent's content stands for; a string is a text part, of `mediaType` where one is given. */
export function partsOf(content: unknown, mediaType?: string): Part[] {
  const items: unknown[] = Array.isArray(content) ? content : [content];
  if (items.length === 0) throw new InvalidOutputError('content is an empty list: it must have at least one part');
  const parts = items.map((item, i) =>
    typeof item === 'string' ? create(PartSchema, textPart(item, mediaType)) : decodePart(item, i),
  );
  const [violation] = partViolations(parts, 'content');
  if (violation) throw new InvalidOutputError(`${violation.field} ${violation.description}`);
  return parts;
}

/** The artifact that an agent opens, without parts. */
export function artifactOf(options: ArtifactOptions & { readonly artifactId: string }): Artifact {
  const { artifactId, name, description, metadata } = options;
  return decode(ArtifactSchema, plain({ artifactId, name, description, metadata }, 'artifact'), 'artifact');
}

/** The metadata that an agent gives, as the protocol holds it. */
export function metadataOf(metadata: unknown, what: string): JsonObject {
  return decode(MessageSchema, plain({ metadata }, what), what).metadata ?? {};
}

/** Throws unless `text` is one that the protocol and the database can hold. */
export function assertText(text: unknown, what: string): asserts text is string {
  if (typeof text !== 'string') throw new InvalidOutputError(`${what} must be a string, not ${typeof text}`);
  decode(PartSchema, { text }, what);
}

/** What a handler's return value or a `respond` says: a whole Message, or content for one. */
export function outputParts(output: Content | MessageJson): { parts: Part[]; metadata?: JsonObject } {
  if (!isMessage(output)) return { parts: partsOf(output) };
  return {
    parts: partsOf(output.parts),
    metadata: decode(MessageSchema, plain(output, 'message'), 'message').metadata,
  };
}

function isMessage(output: Content | MessageJson): output is MessageJson {
  return typeof output === 'object' && output !== null && 'parts' in output;
}

function textPart(text: string, mediaType?: string) {
  decode(PartSchema, { text }, 'content');
  return { content: { case: 'text' as const, value: text }, mediaType };
}

function decodePart(item: unknown, index: number): Part {
  if (typeof item !== 'object' || item === null) {
    throw new InvalidOutputError(
      `content[${index}] must be a string or a part, not ${item === null ? 'null' : typeof item}`,
    );
  }
  const unknown = Object.keys(item).find((key) => !PART_FIELDS.has(key));
  if (unknown !== undefined) throw new InvalidOutputError(`content[${index}] has the unknown field ${unknown}`);
  return decode(PartSchema, plain(item, `content[${index}]`), `content[${index}]`);
}

/** A JSON copy: what is undefined is absent, and a Date is its text. */
function plain(value: object, where: string): unknown {
  try {
    return JSON.parse(JSON.stringify(value, assertJson));
  } catch (error) {
    throw new InvalidOutputError(`${where} is not JSON: ${String(error)}`, { cause: error });
  }
}

/** Refuses what JSON.stringify would leave out or replace without a word. */
function assertJson(key: string, value: unknown): unknown {
  const odd =
    typeof value === 'function' || typeof value === 'symbol' || (typeof value === 'number' && !Number.isFinite(value));
  if (odd) throw new TypeError(`${key} is ${typeof value === 'number' ? value : `a ${typeof value}`}`);
  return value;
}

function decode<Desc extends DescMessage>(schema: Desc, json: unknown, where: string): MessageShape<Desc> {
  try {
    return decodeJson(schema, json);
  } catch (error) {
    const fact = error instanceof A2AError ? error.violations.map((v) => `${v.field} ${v.description}`).join(', ') : '';
    throw new InvalidOutputError(`${where}: ${fact || 'not a valid part'}`, { cause: error });
  }
}
