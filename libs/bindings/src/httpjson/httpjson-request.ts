import { type DescField, type DescMethod, type Message } from '@bufbuild/protobuf';
import { type FastifyRequest } from 'fastify';
import { A2AError, decodeJson, requiredFieldViolations } from '#protocol';
import { resourceBody } from '../http/json-body.js';
import { queryJson } from './query-json.js';

/** Where the fields of a method's request stand in an HTTP request. */
export interface RequestLayout {
  readonly method: DescMethod;
  /** The fields that the path carries; its parameters have their names in the proto. */
  readonly pathFields: readonly DescField[];
  /** Whether the other fields come in the body; else they are query parameters. */
  readonly hasBody: boolean;
}

/**
 * The request message that an HTTP request stands for: fields from the path, and the others from the body or, where the
 * layout has none, the query. Throws A2AError INVALID_PARAMS with the violations' paths, also where the path contradicts
 * the rest; and what `resourceBody` throws.
 */
export function readRequest(layout: RequestLayout, request: FastifyRequest): Message {
  const { input } = layout.method;
  const message = decodeJson(input, layout.hasBody ? resourceBody(request) : queryJson(input, queryOf(request)));
  takePathFields(layout, message, request.params as Record<string, string>);
  const violations = requiredFieldViolations(input, message);
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return message;
}

function queryOf({ url }: FastifyRequest): string {
  const start = url.indexOf('?');
  return start < 0 ? '' : url.slice(start + 1);
}

/** All of them are texts. */
function takePathFields({ method, pathFields }: RequestLayout, message: Message, params: Record<string, string>): void {
  const fields = message as unknown as Record<string, string>;
  // What is unfit for the server in a body is so in a path.
  const named = decodeJson(
    method.input,
    Object.fromEntries(pathFields.map(({ name, jsonName }) => [jsonName, params[name]])),
  );
  const values = named as unknown as Record<string, string>;
  for (const { localName, jsonName } of pathFields) {
    const given = fields[localName];
    if (given !== '' && given !== values[localName]) {
      throw A2AError.invalidParams(jsonName, 'is not what the path of the URL says');
    }
    fields[localName] = values[localName]!;
  }
}
