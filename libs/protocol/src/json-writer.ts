import {
  ScalarType,
  toJson,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
} from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence, timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import { isRequired } from './required-fields.js';

/**
 * `message` in ProtoJSON, as a fresh object; for `schema`s without wrapper and Any fields, as those of A2A are. Differs from
 * protobuf-es' `toJson` in what A2A promises beyond ProtoJSON: a field marked REQUIRED is written even when it is empty, and a
 * timestamp always has three fractional digits. Each schema is compiled once; bytes go through Buffer, which makes a large file
 * a matter of milliseconds.
 */
export function writeJson(schema: DescMessage, message: unknown): JsonObject {
  const json: JsonObject = {};
  for (const write of writersOf(schema)) write(message as Fields, json);
  return json;
}

type Fields = Record<string, unknown>;
type Encode = (value: unknown) => JsonValue;
type Write = (message: Fields, json: JsonObject) => void;

const writersBySchema = new WeakMap<DescMessage, Write[]>();

function writersOf(schema: DescMessage): Write[] {
  let writers = writersBySchema.get(schema);
  if (!writers) {
    writers = [];
    // Known before it is filled: a message may contain its own kind.
    writersBySchema.set(schema, writers);
    for (const field of schema.fields) writers.push(fieldWriter(field));
  }
  return writers;
}

function fieldWriter(field: DescField): Write {
  const encode = valueEncoder(field);
  if (field.oneof) return oneofWriter(field, field.oneof.localName, encode);
  if (field.fieldKind === 'list') return listWriter(field, encode);
  return field.fieldKind === 'map' ? mapWriter(field, encode) : singleWriter(field, encode);
}

function oneofWriter({ localName, jsonName }: DescField, oneof: string, encode: Encode): Write {
  return (message, json) => {
    const chosen = message[oneof] as { case?: string; value?: unknown };
    if (chosen.case === localName) json[jsonName] = encode(chosen.value);
  };
}

function listWriter(field: DescField, encode: Encode): Write {
  const { localName, jsonName } = field;
  const always = isRequired(field);
  return (message, json) => {
    const items = message[localName] as unknown[];
    if (always || items.length > 0) json[jsonName] = items.map(encode);
  };
}

function mapWriter(field: DescField, encode: Encode): Write {
  const { localName, jsonName } = field;
  const always = isRequired(field);
  return (message, json) => {
    const entries = Object.entries(message[localName] as Fields);
    // fromEntries makes own members of all keys, `__proto__` too.
    if (always || entries.length > 0)
      json[jsonName] = Object.fromEntries(entries.map(([key, item]) => [key, encode(item)]));
  };
}

function singleWriter(field: DescField, encode: Encode): Write {
  const { localName, jsonName } = field;
  const always = isRequired(field) || field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  return (message, json) => {
    const value = message[localName];
    if (value !== undefined && (always || !isZero(value))) json[jsonName] = encode(value);
  };
}

function isZero(value: unknown): boolean {
  return (
    value === '' ||
    value === false ||
    Object.is(value, 0) ||
    value === 0n ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function valueEncoder(field: DescField): Encode {
  if (field.message) return messageEncoder(field.message);
  if (field.enum) {
    const names = new Map<unknown, string>(field.enum.values.map(({ number, name }) => [number, name]));
    return (value) => names.get(value) ?? (value as number);
  }
  if (field.scalar === ScalarType.BYTES) return (value) => base64(value as Uint8Array);
  return scalarJson;
}

function messageEncoder(schema: DescMessage): Encode {
  if (schema.typeName === 'google.protobuf.Timestamp')
    return (value) => timestampDate(value as Timestamp).toISOString();
  // Generated messages hold a Struct as the plain object it stands for.
  if (schema.typeName === 'google.protobuf.Struct') return (value) => copy(value as JsonObject);
  if (schema.typeName.startsWith('google.protobuf.')) return (value) => toJson(schema, value as never);
  return (value) => writeJson(schema, value);
}

function scalarJson(value: unknown): JsonValue {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  return value as JsonValue;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function copy(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copy(member)]));
}
