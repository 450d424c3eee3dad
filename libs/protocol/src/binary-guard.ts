import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type ListValue, type Struct, type Timestamp, type Value } from '@bufbuild/protobuf/wkt';
import { type FieldViolation } from './a2a-error.js';
import { below, depthFault, type Fault, fault, jsonFault, numberFault, textFault, violationOf } from './json-guard.js';

/**
 * What makes a `message` that was decoded from bytes unfit for the server although its descriptor allows it: what `jsonViolation`
 * refuses of JSON (depth, NUL characters, numbers that are not finite), a Value without a value, a Timestamp that ProtoJSON
 * cannot write. The first one found, with its full path; undefined when there is none. Half surrogates and numbers of enums
 * are no concern here: the decoder refuses the first, `requiredFieldViolations` the second.
 */
export function binaryViolation(schema: DescMessage, message: unknown): FieldViolation | undefined {
  const found = messageFault(schema, message as Fields, 1);
  return found && violationOf(found, '');
}

type Fields = Record<string, unknown>;
type Check = (value: unknown, depth: number) => Fault | undefined;

const checksBySchema = new WeakMap<DescMessage, { key: string; oneof?: string; localName: string; check: Check }[]>();

function messageFault(schema: DescMessage, message: Fields, depth: number): Fault | undefined {
  const tooDeep = depthFault(depth);
  if (tooDeep) return tooDeep;
  for (const { key, oneof, localName, check } of checksOf(schema)) {
    const value = oneof === undefined ? message[localName] : chosen(message[oneof] as Choice, localName);
    if (value === undefined) continue;
    const found = check(value, depth + 1);
    if (found) return below(key, found);
  }
  return undefined;
}

interface Choice {
  readonly case?: string;
  readonly value?: unknown;
}

function chosen(choice: Choice, localName: string): unknown {
  return choice.case === localName ? choice.value : undefined;
}

function checksOf(schema: DescMessage) {
  let checks = checksBySchema.get(schema);
  if (!checks) {
    checks = schema.fields.flatMap((field) => {
      const check = fieldCheck(field);
      const { jsonName: key, localName, oneof } = field;
      return check ? [{ key, localName, oneof: oneof?.localName, check }] : [];
    });
    checksBySchema.set(schema, checks);
  }
  return checks;
}

/** Undefined for a field in which nothing can be wrong. */
function fieldCheck(field: DescField): Check | undefined {
  const check = valueCheck(field);
  if (field.fieldKind === 'list') return check && ((items, depth) => listFault(items as unknown[], depth, check));
  if (field.fieldKind === 'map') return (map, depth) => mapFault(map as Fields, depth, check);
  return check;
}

function valueCheck({ message, scalar }: DescField): Check | undefined {
  if (scalar === ScalarType.STRING) return (text) => textFault(text as string);
  if (!message) return undefined;
  switch (message.typeName) {
    case 'google.protobuf.Struct':
      // Generated messages hold a Struct as the plain object it stands for.
      return jsonFault;
    case 'google.protobuf.Value':
      return (value, depth) => valueFault(value as Value, depth);
    case 'google.protobuf.Timestamp':
      return (timestamp) => timestampFault(timestamp as Timestamp);
    default:
      return (value, depth) => messageFault(message, value as Fields, depth);
  }
}

function listFault(items: readonly unknown[], depth: number, check: Check): Fault | undefined {
  for (let index = 0; index < items.length; index++) {
    const found = check(items[index], depth + 1);
    if (found) return below(index, found);
  }
  return undefined;
}

function mapFault(map: Fields, depth: number, check: Check | undefined): Fault | undefined {
  for (const key of Object.keys(map)) {
    const found = textFault(key) ?? check?.(map[key], depth + 1);
    if (found) return below(key, found);
  }
  return undefined;
}

function valueFault({ kind }: Value, depth: number): Fault | undefined {
  switch (kind.case) {
    case undefined:
      return fault('is a google.protobuf.Value without a value');
    case 'stringValue':
      return textFault(kind.value);
    case 'numberValue':
      return numberFault(kind.value);
    case 'structValue':
      return depthFault(depth) ?? structFault(kind.value, depth);
    case 'listValue':
      return depthFault(depth) ?? valuesFault(kind.value, depth);
    default:
      return undefined;
  }
}

function structFault({ fields }: Struct, depth: number): Fault | undefined {
  return mapFault(fields, depth, (value, inside) => valueFault(value as Value, inside));
}

function valuesFault({ values }: ListValue, depth: number): Fault | undefined {
  return listFault(values, depth, (value, inside) => valueFault(value as Value, inside));
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

function timestampFault({ seconds, nanos }: Timestamp): Fault | undefined {
  const isOne = seconds >= FIRST_SECOND && seconds <= LAST_SECOND && nanos >= 0 && nanos < 1_000_000_000;
  return isOne ? undefined : fault('must be a timestamp such as 2026-01-01T00:00:00.000Z');
}
