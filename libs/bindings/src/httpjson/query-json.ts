import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { A2AError } from '#protocol';

/** Names of query parameters in clients that differ from the field's. */
const ALIASES: ReadonlyMap<string, string> = new Map([['lastUpdatedAfter', 'statusTimestampAfter']]);

/**
 * The ProtoJSON object that a query (without its `?`) stands for: parameters are fields of `schema` under either of their
 * names (specification section 11.5), other parameters are ignored. A value that its field cannot have is left for the
 * reading of the object to refuse. Throws A2AError INVALID_PARAMS for a field that is given twice, and for bytes that are
 * not UTF-8.
 */
export function queryJson(schema: DescMessage, query: string): JsonObject {
  const json = new Map<string, JsonValue>();
  for (const [name, text] of parameters(query)) {
    const field = fieldNamed(schema, ALIASES.get(name) ?? name);
    if (!field) continue;
    const { jsonName } = field;
    const value = decoded(text);
    if (value === undefined) throw A2AError.invalidParams(jsonName, 'is not percent-encoded UTF-8');
    if (json.has(jsonName)) throw A2AError.invalidParams(jsonName, 'is given twice');
    json.set(jsonName, jsonValue(field, value));
  }
  return Object.fromEntries(json);
}

/** Names, and values still encoded. */
function parameters(query: string): (readonly [string, string])[] {
  return query.split('&').map((parameter) => {
    const [name = '', ...value] = parameter.split('=');
    return [decoded(name) ?? '', value.join('=')];
  });
}

/** As forms are encoded: a plus sign is a space. Undefined for what is not. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function fieldNamed(schema: DescMessage, name: string): DescField | undefined {
  return schema.fields.find((field) => field.jsonName === name || field.name === name);
}

/** Texts, numbers and timestamps are the same text in ProtoJSON. */
function jsonValue(field: DescField, text: string): JsonValue {
  if (field.scalar === ScalarType.BOOL && (text === 'true' || text === 'false')) return text === 'true';
  if (field.enum && /^-?\d{1,10}$/.test(text)) return Number(text);
  return text;
}
