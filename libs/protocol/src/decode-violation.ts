import {
  fromJson,
  ScalarType,
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonValue,
} from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { type FieldViolation } from './a2a-error.js';
import { elementPath, memberPath } from './json-path.js';

/**
 * Why `fromJson` refuses `json` as a `schema` message: the first violation with its full path below `path`. Unknown fields
 * are none; undefined when there is nothing else. Meant for JSON that was refused: sound values are looked at once more, so
 * the cost is that of another reading.
 */
export function decodeViolation(schema: DescMessage, json: JsonValue, path = ''): FieldViolation | undefined {
  if (schema.typeName.startsWith('google.protobuf.')) return wellKnownViolation(schema, json, path);
  if (!isObject(json)) return { field: path, description: `must be an object, not ${kindOf(json)}` };
  const seen = new Map<unknown, DescField>();
  const fields = fieldsOf(schema);
  for (const key of Object.keys(json)) {
    const field = fields.get(key);
    const value = json[key];
    if (!field || value === undefined) continue;
    const violation = repetition(field, value, seen, path) ?? fieldViolation(field, value, memberPath(path, key));
    if (violation) return violation;
  }
  return undefined;
}

const fieldsBySchema = new WeakMap<DescMessage, Map<string, DescField>>();

/** Fields by both names that ProtoJSON accepts. */
function fieldsOf(schema: DescMessage): Map<string, DescField> {
  let fields = fieldsBySchema.get(schema);
  if (!fields) {
    fields = new Map(
      schema.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]),
    );
    fieldsBySchema.set(schema, fields);
  }
  return fields;
}

/** A field under both of its names, or two members of one oneof; `seen` holds what the object had so far. */
function repetition(
  field: DescField,
  value: JsonValue,
  seen: Map<unknown, DescField>,
  path: string,
): FieldViolation | undefined {
  if (seen.has(field)) {
    return { field: memberPath(path, field.jsonName), description: `is given twice, also as ${field.name}` };
  }
  seen.set(field, field);
  const { oneof } = field;
  if (!oneof || (value === null && field.fieldKind === 'scalar')) return undefined;
  const other = seen.get(oneof);
  if (other) {
    const allowed = oneof.fields.map(({ jsonName }) => jsonName).join(', ');
    return {
      field: path,
      description: `has both ${other.jsonName} and ${field.jsonName}; only one of ${allowed} may be set`,
    };
  }
  seen.set(oneof, field);
  return undefined;
}

function fieldViolation(field: DescField, json: JsonValue, path: string): FieldViolation | undefined {
  if (field.fieldKind === 'list') return listViolation(field, json, path);
  if (field.fieldKind === 'map') return mapViolation(field, json, path);
  const takesNull = field.message?.typeName === 'google.protobuf.Value';
  return json === null && !takesNull ? undefined : valueViolation(field, json, path);
}

function listViolation(field: DescField, json: JsonValue, path: string): FieldViolation | undefined {
  if (json === null) return undefined;
  if (!Array.isArray(json)) return { field: path, description: `must be an array, not ${kindOf(json)}` };
  for (const [index, item] of json.entries()) {
    const violation = valueViolation(field, item, elementPath(path, index));
    if (violation) return violation;
  }
  return undefined;
}

function mapViolation(field: DescField, json: JsonValue, path: string): FieldViolation | undefined {
  if (json === null) return undefined;
  if (!isObject(json)) return { field: path, description: `must be an object, not ${kindOf(json)}` };
  for (const key of Object.keys(json)) {
    const violation = valueViolation(field, json[key] ?? null, memberPath(path, key));
    if (violation) return violation;
  }
  return undefined;
}

/** One value of a field: the field's own, a list's element or a map's. */
function valueViolation(field: DescField, json: JsonValue, path: string): FieldViolation | undefined {
  if (field.message) return decodeViolation(field.message, json, path);
  const description = field.enum ? enumFault(field.enum, json) : scalarFault(field, json);
  return description === undefined ? undefined : { field: path, description };
}

function enumFault(descriptor: DescEnum, json: JsonValue): string | undefined {
  if (typeof json === 'number' && json === (json | 0)) return undefined; // a number of any later version is read
  if (descriptor.values.some(({ name }) => name === json)) return undefined;
  const names = descriptor.values.filter(({ number }) => number !== 0).map(({ name }) => name);
  return `must be one of ${names.join(', ')}`;
}

function scalarFault(field: DescField, json: JsonValue): string | undefined {
  if (field.scalar === ScalarType.STRING)
    return typeof json === 'string' ? undefined : `must be a string, not ${kindOf(json)}`;
  if (field.scalar === ScalarType.BOOL)
    return typeof json === 'boolean' ? undefined : `must be true or false, not ${kindOf(json)}`;
  if (field.scalar === ScalarType.BYTES) return bytesFault(json);
  if (readable(field.parent, { [field.jsonName]: inShapeOf(field, json) })) return undefined;
  return field.scalar === ScalarType.INT32 ? 'must be a 32-bit integer' : 'must be a number';
}

function bytesFault(json: JsonValue): string | undefined {
  if (typeof json !== 'string') return `must be a base64 string, not ${kindOf(json)}`;
  try {
    base64Decode(json);
    return undefined;
  } catch {
    return 'is not valid base64';
  }
}

function inShapeOf(field: DescField, json: JsonValue): JsonValue {
  if (field.fieldKind === 'list') return [json];
  return field.fieldKind === 'map' ? { '': json } : json;
}

function wellKnownViolation(schema: DescMessage, json: JsonValue, path: string): FieldViolation | undefined {
  if (readable(schema, json)) return undefined;
  const expected: Record<string, string> = {
    'google.protobuf.Struct': `must be an object, not ${kindOf(json)}`,
    'google.protobuf.Timestamp': 'must be a timestamp such as 2026-01-01T00:00:00.000Z',
  };
  return { field: path, description: expected[schema.typeName] ?? `does not read as ${schema.typeName}` };
}

function readable(schema: DescMessage, json: JsonValue): boolean {
  try {
    fromJson(schema, json);
    return true;
  } catch {
    return false;
  }
}

function isObject(json: JsonValue): json is Record<string, JsonValue> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function kindOf(json: JsonValue): string {
  if (json === null) return 'null';
  return Array.isArray(json) ? 'array' : typeof json;
}
