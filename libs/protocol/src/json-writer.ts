import { ScalarType, toJson, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence, timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { isoTime } from './iso-time.js';
import { isRequired } from './required-fields.js';

/**
 * `message` as ProtoJSON text on one line; for `schema`s without wrapper and Any fields, as those of A2A are. Differs from
 * protobuf-es' `toJsonString` in what A2A promises beyond ProtoJSON: a field marked REQUIRED is written even when it is empty,
 * and a timestamp always has three fractional digits. Each schema is compiled once; bytes go through Buffer, which makes a
 * large file a matter of milliseconds.
 */
export function writeJson(schema: DescMessage, message: unknown): string {
  return writeMembers(writersOf(schema), message as Fields);
}

type Fields = Record<string, unknown>;
type Encode = (value: unknown) => string;
/** The field as a member, `"name":value`; empty where it is left out. */
type Write = (message: Fields) => string;

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

function writeMembers(writers: readonly Write[], message: Fields): string {
  let members = '';
  for (const write of writers) {
    const member = write(message);
    if (member !== '') members += members === '' ? member : `,${member}`;
  }
  return `{${members}}`;
}

function fieldWriter(field: DescField): Write {
  const encode = valueEncoder(field);
  const name = `${JSON.stringify(field.jsonName)}:`;
  if (field.oneof) return oneofWriter(field, field.oneof.localName, name, encode);
  if (field.fieldKind === 'list') return listWriter(field, name, encode);
  return field.fieldKind === 'map' ? mapWriter(field, name, encode) : singleWriter(field, name, encode);
}

function oneofWriter({ localName }: DescField, oneof: string, name: string, encode: Encode): Write {
  return (message) => {
    const chosen = message[oneof] as { case?: string; value?: unknown };
    return chosen.case === localName ? name + encode(chosen.value) : '';
  };
}

function listWriter(field: DescField, name: string, encode: Encode): Write {
  const { localName } = field;
  const always = isRequired(field);
  return (message) => {
    const items = message[localName] as unknown[];
    return always || items.length > 0 ? `${name}[${items.map(encode).join(',')}]` : '';
  };
}

function mapWriter(field: DescField, name: string, encode: Encode): Write {
  const { localName } = field;
  const always = isRequired(field);
  return (message) => {
    const entries = Object.entries(message[localName] as Fields);
    if (!always && entries.length === 0) return '';
    return `${name}{${entries.map(([key, item]) => `${JSON.stringify(key)}:${encode(item)}`).join(',')}}`;
  };
}

function singleWriter(field: DescField, name: string, encode: Encode): Write {
  const { localName } = field;
  const always = isRequired(field) || field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  return (message) => {
    const value = message[localName];
    return value !== undefined && (always || !isZero(value)) ? name + encode(value) : '';
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
    const names = new Map<unknown, string>(field.enum.values.map(({ number, name }) => [number, JSON.stringify(name)]));
    return (value) => names.get(value) ?? String(value);
  }
  if (field.scalar === ScalarType.BYTES) return (value) => `"${base64(value as Uint8Array)}"`;
  return scalarJson;
}

function messageEncoder(schema: DescMessage): Encode {
  if (schema.typeName === 'google.protobuf.Timestamp')
    return (value) => `"${isoTime(timestampMs(value as Timestamp))}"`;
  // Generated messages hold a Struct as the plain object it stands for.
  if (schema.typeName === 'google.protobuf.Struct') return (value) => JSON.stringify(value);
  if (schema.typeName.startsWith('google.protobuf.')) return (value) => JSON.stringify(toJson(schema, value as never));
  const writers = writersOf(schema);
  return (value) => writeMembers(writers, value as Fields);
}

function scalarJson(value: unknown): string {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return `"${String(value)}"`;
  return JSON.stringify(value);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
