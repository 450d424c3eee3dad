import {
  fromJson,
  type DescMessage,
  type JsonValue,
  type MessageJsonType,
  type MessageShape,
} from '@bufbuild/protobuf';
import { A2AError } from './a2a-error.js';
import { decodeViolation } from './decode-violation.js';
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
  return JSON.parse(writeJson(schema, message)) as MessageJsonType<Desc>;
}

/** `toJsonObject` as text on one line. */
export function jsonText<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string {
  return writeJson(schema, message);
}
