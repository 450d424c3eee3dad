import {
  fromJson,
  type DescMessage,
  type JsonValue,
  type Message,
  type MessageJsonType,
  type MessageShape,
} from '@bufbuild/protobuf';
import { A2AError } from './a2a-error.js';
import { decodeViolation } from './decode-violation.js';
import { StreamResponseSchema } from './gen/lf/a2a/v1/a2a_pb.js';
import { jsonViolation } from './json-guard.js';
import { writeJson } from './json-writer.js';

/**
 * The message that `json` (a parsed JSON value) stands for, read as ProtoJSON: camelCase and snake_case names, unknown fields
 * ignored. Throws A2AError INVALID_PARAMS that names the JSON path and the fact, also for nesting deeper than 64 levels and
 * for NUL characters and half surrogate pairs anywhere. Time is linear in the size of `json`.
 */
export function decodeJson<Desc extends DescMessage>(schema: Desc, json: unknown): MessageShape<Desc> {
  const unfit = jsonViolation(json);
  if (unfit) throw A2AError.invalidParams([unfit]);
  try {
    return fromJson(schema, json as JsonValue);
  } catch {
    // Unknown fields fail here too: a second look tells them from real violations, which lenient reading alone does not
    // (it passes over unknown enum values).
    return decodeLeniently(schema, json as JsonValue);
  }
}

function decodeLeniently<Desc extends DescMessage>(schema: Desc, json: JsonValue): MessageShape<Desc> {
  const violation = decodeViolation(schema, json);
  if (violation) throw A2AError.invalidParams([violation]);
  try {
    return fromJson(schema, json, { ignoreUnknownFields: true });
  } catch (error) {
    const message = `Invalid parameters: the request does not read as ${schema.name}`;
    throw new A2AError('INVALID_PARAMS', { message, cause: error });
  }
}

/**
 * The ProtoJSON of `message` as a fresh object. Fields marked REQUIRED are there even when empty (`skills: []`,
 * `nextPageToken: ''`), and timestamps are UTC with three fractional digits.
 */
export function toJsonObject<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): MessageJsonType<Desc> {
  return writeJson(schema, message) as MessageJsonType<Desc>;
}

const eventTexts = new WeakMap<Message, string>();

/**
 * `toJsonObject` as text on one line. That of an event (a StreamResponse) is made once and then remembered, so that a
 * hundred subscribers cost one serialisation: events do not change.
 */
export function jsonText<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string {
  if (schema.typeName !== StreamResponseSchema.typeName) return JSON.stringify(toJsonObject(schema, message));
  let text = eventTexts.get(message);
  if (text === undefined) {
    text = JSON.stringify(toJsonObject(schema, message));
    eventTexts.set(message, text);
  }
  return text;
}
