import { create, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf';
import { type Content } from '#agents';
import {
  A2AError,
  decodeJson,
  type MessageJson,
  MessageSchema,
  type Part,
  PartSchema,
  partViolations,
} from '#protocol';

/** The agent gave something that is not content of the protocol. The text is for its author. */
export class InvalidOutputError extends Error {
  override readonly name = 'InvalidOutputError';
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

/** What a handler's return value or a `respond` says: a whole Message, or content for one. */
export function outputParts(output: Content | MessageJson): { parts: Part[]; metadata?: JsonObject } {
  if (!isMessage(output)) return { parts: partsOf(output) };
  return { parts: partsOf(output.parts), metadata: decode(MessageSchema, output, 'message').metadata };
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
  return decode(PartSchema, item, `content[${index}]`);
}

function decode<Desc extends DescMessage>(schema: Desc, json: unknown, where: string): MessageShape<Desc> {
  try {
    return decodeJson(schema, json);
  } catch (error) {
    const fact = error instanceof A2AError ? error.violations.map((v) => `${v.field} ${v.description}`).join(', ') : '';
    throw new InvalidOutputError(`${where}: ${fact || 'not a valid part'}`, { cause: error });
  }
}
