import { type Message } from '@bufbuild/protobuf';
import { type FastifyRequest } from 'fastify';
import { A2AError, decodeJson, requiredFieldViolations } from '#protocol';
import { A2A_JSON_TYPE, JSON_TYPE, parseJsonBody } from '../http/json-body.js';
import { type HttpJsonRoute } from './httpjson-routes.js';
import { queryJson } from './query-json.js';

const BODY_TYPES = [JSON_TYPE, A2A_JSON_TYPE];

/**
 * The request message that an HTTP request stands for: fields from the path, and the others from the body or, where the
 * route has none, the query. Throws A2AError INVALID_PARAMS with the violations' paths, also where the path contradicts
 * the rest; and what `parseJsonBody` throws.
 */
export function readRequest(route: HttpJsonRoute, request: FastifyRequest): Message {
  const { input } = route.method;
  const message = decodeJson(input, route.hasBody ? bodyJson(request) : queryJson(input, queryOf(request)));
  takePathFields(route, message, request.params as Record<string, string>);
  const violations = requiredFieldViolations(input, message);
  if (violations.length > 0) throw A2AError.invalidParams(violations);
  return message;
}

/** An empty body says nothing, whatever type it claims: `:cancel` and `:subscribe` come with one. */
function bodyJson(request: FastifyRequest): unknown {
  const bytes = request.body as Uint8Array | undefined;
  return bytes === undefined || bytes.length === 0 ? {} : parseJsonBody(request, BODY_TYPES);
}

function queryOf({ url }: FastifyRequest): string {
  const start = url.indexOf('?');
  return start < 0 ? '' : url.slice(start + 1);
}

/** All of them are texts. */
function takePathFields({ method, pathFields }: HttpJsonRoute, message: Message, params: Record<string, string>): void {
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
