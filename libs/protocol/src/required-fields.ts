import { getOption, type DescField, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { type FieldViolation } from './a2a-error.js';
import { field_behavior, FieldBehavior } from './gen/google/api/field_behavior_pb.js';
import { elementPath, memberPath } from './json-path.js';

/** A hostile request may break a rule a million times; the answer lists so many. */
export const MAX_VIOLATIONS = 20;

/**
 * The fields of `message` that break what its descriptor demands, lists, maps and nested messages included: a field marked
 * REQUIRED is missing (a text must not be empty, a list must have an element, an enum must not be its zero value; a map may be
 * empty), or an enum has a number that the protocol does not know. At most 20, their paths in JSON names below `prefix`.
 */
export function requiredFieldViolations<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  prefix = '',
): FieldViolation[] {
  const found: FieldViolation[] = [];
  checkMessage(schema, message, prefix, found);
  return found;
}

type Fields = Record<string, unknown>;
type Check = (message: Fields, path: string, found: FieldViolation[]) => void;

const checksBySchema = new WeakMap<DescMessage, Check[]>();

function checkMessage(schema: DescMessage, message: Fields, path: string, found: FieldViolation[]): void {
  for (const check of checksOf(schema)) {
    if (found.length >= MAX_VIOLATIONS) return;
    check(message, path, found);
  }
}

function checksOf(schema: DescMessage): Check[] {
  let checks = checksBySchema.get(schema);
  if (!checks) {
    checks = schema.fields.flatMap((field) => [...presenceCheck(field), ...enumCheck(field), ...nestedCheck(field)]);
    checksBySchema.set(schema, checks);
  }
  return checks;
}

/** Whether the descriptor marks `field` as REQUIRED. */
export function isRequired(field: DescField): boolean {
  return getOption(field, field_behavior).includes(FieldBehavior.REQUIRED);
}

function presenceCheck(field: DescField): Check[] {
  if (!isRequired(field) || field.fieldKind === 'map') return [];
  return [
    (message, path, found) => {
      const fact = missing(field, valueOf(message, field));
      if (fact) found.push({ field: memberPath(path, field.jsonName), description: fact });
    },
  ];
}

function missing(field: DescField, value: unknown): string | undefined {
  if (value === undefined) return 'is required';
  if (field.fieldKind === 'list')
    return (value as unknown[]).length === 0 ? 'must have at least one element' : undefined;
  if (field.fieldKind === 'enum') return value === 0 ? 'is required' : undefined;
  return value === '' ? 'is required and must not be empty' : undefined;
}

function enumCheck(field: DescField): Check[] {
  if (field.fieldKind !== 'enum') return [];
  const known = new Set<unknown>(field.enum.values.map((value) => value.number));
  return [
    (message, path, found) => {
      const value = valueOf(message, field);
      if (value === undefined || known.has(value)) return;
      found.push({ field: memberPath(path, field.jsonName), description: `is not a value of ${field.enum.name}` });
    },
  ];
}

function nestedCheck(field: DescField): Check[] {
  const schema = field.message;
  // Nothing is required inside Struct, Value and Timestamp, and generated messages hold a Struct as a plain object.
  if (!schema || schema.typeName.startsWith('google.protobuf.')) return [];
  return [
    (message, path, found) => {
      const value = valueOf(message, field);
      if (value === undefined) return;
      const below = memberPath(path, field.jsonName);
      if (field.fieldKind === 'list') return checkList(schema, value as Fields[], below, found);
      if (field.fieldKind === 'map') return checkMap(schema, value as Record<string, Fields>, below, found);
      checkMessage(schema, value as Fields, below, found);
    },
  ];
}

function checkList(schema: DescMessage, items: Fields[], path: string, found: FieldViolation[]): void {
  for (const [index, item] of items.entries()) {
    if (found.length >= MAX_VIOLATIONS) return;
    checkMessage(schema, item, elementPath(path, index), found);
  }
}

function checkMap(schema: DescMessage, map: Record<string, Fields>, path: string, found: FieldViolation[]): void {
  for (const [key, item] of Object.entries(map)) {
    if (found.length >= MAX_VIOLATIONS) return;
    checkMessage(schema, item, memberPath(path, key), found);
  }
}

function valueOf(message: Fields, field: DescField): unknown {
  if (!field.oneof) return message[field.localName];
  const chosen = message[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}
