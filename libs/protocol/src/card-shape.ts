import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { cardError, type CardFinding, cardWarning } from './card-finding.js';
import { elementPath, memberPath } from './json-path.js';
import { isRequired } from './required-fields.js';

/** What a value of a card may be: a text, true or false, any object, a list, a map, or an object with known fields. */
export type Shape = 'text' | 'flag' | 'object' | ListShape | MapShape | FieldsShape;

interface ListShape {
  readonly list: Shape;
}

interface MapShape {
  readonly map: Shape;
}

/** An object with known fields. */
export interface FieldsShape {
  readonly fields: Readonly<Record<string, Shape>>;
  readonly required: readonly string[];
}

/** The shape of a message's ProtoJSON, for messages made of what agent cards are made of. */
export function messageShape(schema: DescMessage): FieldsShape {
  return {
    fields: Object.fromEntries(schema.fields.map((field) => [field.jsonName, fieldShape(field)])),
    required: schema.fields.filter(isRequired).map(({ jsonName }) => jsonName),
  };
}

function fieldShape(field: DescField): Shape {
  const single = field.message ? nestedShape(field.message) : field.scalar === ScalarType.BOOL ? 'flag' : 'text';
  if (field.fieldKind === 'list') return { list: single };
  return field.fieldKind === 'map' ? { map: single } : single;
}

function nestedShape(schema: DescMessage): Shape {
  return schema.typeName === 'google.protobuf.Struct' ? 'object' : messageShape(schema);
}

/** The shape of a value that has to do for two readers at once. */
export function bothShapes(one: Shape, other: Shape): Shape {
  if (typeof one !== 'object' || typeof other !== 'object') return one;
  if ('list' in one && 'list' in other) return { list: bothShapes(one.list, other.list) };
  if ('map' in one && 'map' in other) return { map: bothShapes(one.map, other.map) };
  if (!('fields' in one) || !('fields' in other)) return one;
  const fields: Record<string, Shape> = { ...other.fields };
  for (const [name, shape] of Object.entries(one.fields)) {
    fields[name] = name in fields ? bothShapes(shape, fields[name]!) : shape;
  }
  return { fields, required: [...new Set([...one.required, ...other.required])] };
}

/**
 * Where `json` is not of that shape: wrong types, REQUIRED fields that are missing or empty (specification section 5.7; a map
 * may be empty), and fields that are not known, which strict clients refuse.
 */
export function shapeFindings(shape: Shape, json: unknown, path = ''): CardFinding[] {
  if (typeof shape === 'string') return plainFindings(shape, json, path);
  if ('list' in shape) {
    if (!Array.isArray(json)) return [wrongType('an array', json, path)];
    return json.flatMap((item, index) => shapeFindings(shape.list, item, elementPath(path, index)));
  }
  if (!isObject(json)) return [wrongType('an object', json, path)];
  const members = Object.entries(json);
  if ('map' in shape) return members.flatMap(([key, item]) => shapeFindings(shape.map, item, memberPath(path, key)));
  return [
    ...shape.required.flatMap((name) => requiredFindings(json, name, path)),
    ...members.flatMap(([name, value]) => memberFindings(shape, name, value, path)),
  ];
}

function plainFindings(shape: 'text' | 'flag' | 'object', json: unknown, path: string): CardFinding[] {
  if (shape === 'text') return typeof json === 'string' ? [] : [wrongType('a string', json, path)];
  if (shape === 'flag') return typeof json === 'boolean' ? [] : [wrongType('true or false', json, path)];
  return isObject(json) ? [] : [wrongType('an object', json, path)];
}

function wrongType(wanted: string, json: unknown, path: string): CardFinding {
  const kind = json === null ? 'null' : Array.isArray(json) ? 'array' : typeof json;
  return cardError(path, `must be ${wanted}, not ${kind}`);
}

function requiredFindings(json: Readonly<Record<string, unknown>>, name: string, path: string): CardFinding[] {
  const field = memberPath(path, name);
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  if (value === undefined) return [cardError(field, 'is required')];
  if (value === '') return [cardError(field, 'is required and must not be empty')];
  return Array.isArray(value) && value.length === 0 ? [cardError(field, 'must have at least one element')] : [];
}

function memberFindings({ fields }: FieldsShape, name: string, value: unknown, path: string): CardFinding[] {
  const field = memberPath(path, name);
  const shape = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (shape !== undefined) return shapeFindings(shape, value, field);
  const camelCase = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  if (Object.hasOwn(fields, camelCase)) return [cardError(field, `must be written ${camelCase} in JSON`)];
  return [cardWarning(field, 'is not a field of the agent card: strict clients refuse the whole card')];
}

/** Whether the value is a JSON object. */
export function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** The objects of a list; nothing where it is none. */
export function objectsOf(json: unknown): [Readonly<Record<string, unknown>>, number][] {
  const items: unknown[] = Array.isArray(json) ? json : [];
  return items.flatMap((item, index) => (isObject(item) ? [[item, index] as [typeof item, number]] : []));
}
