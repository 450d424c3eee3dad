import { create, type DescMethod, type JsonObject } from '@bufbuild/protobuf';
import { type FastifyRequest } from 'fastify';
import { A2AError, A2AService, decodeJson, GetExtendedAgentCardRequestSchema, v03 } from '#protocol';
import { type HttpRoute, type Verb } from '../http/http-route.js';
import { resourceBody } from '../http/json-body.js';
import { CARD_DIALECT, REST_DIALECT, REST_FORMAT } from './rest-answers.js';

/** What a request says: the parameters of its path and its query, decoded, and its body, `{}` where it has none. */
interface RestRequest {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: JsonObject;
}

/** One way to ask for a method of package a2a.v1. */
interface RestMethod {
  readonly verb: Verb;
  readonly path: string;
  readonly method: DescMethod;
  /** The request message in ProtoJSON. */
  readonly json: (request: RestRequest) => JsonObject;
}

const { method } = v03.A2AService;

const body = (request: RestRequest) => request.body;
const name = ({ path }: RestRequest) => ({ name: `tasks/${path.id}` });
const configName = ({ path }: RestRequest) => ({ name: `tasks/${path.id}/pushNotificationConfigs/${path.config}` });

/** The methods of section 3.5.6 of the specification 0.3; messages are those of package a2a.v1, as its SDKs send them. */
const METHODS: readonly RestMethod[] = [
  { verb: 'POST', path: '/v1/message::send', method: method.sendMessage, json: body },
  { verb: 'POST', path: '/v1/message::stream', method: method.sendStreamingMessage, json: body },
  { verb: 'GET', path: '/v1/tasks/:id', method: method.getTask, json: taskQuery },
  { verb: 'POST', path: '/v1/tasks/:id(.+)::cancel', method: method.cancelTask, json: name },
  { verb: 'GET', path: '/v1/tasks/:id(.+)::subscribe', method: method.taskSubscription, json: name },
  { verb: 'POST', path: '/v1/tasks/:id(.+)::subscribe', method: method.taskSubscription, json: name },
  {
    verb: 'POST',
    path: '/v1/tasks/:id/pushNotificationConfigs',
    method: method.createTaskPushNotificationConfig,
    json: configCreation,
  },
  {
    verb: 'GET',
    path: '/v1/tasks/:id/pushNotificationConfigs',
    method: method.listTaskPushNotificationConfig,
    json: configsQuery,
  },
  {
    verb: 'GET',
    path: '/v1/tasks/:id/pushNotificationConfigs/:config',
    method: method.getTaskPushNotificationConfig,
    json: configName,
  },
  {
    verb: 'DELETE',
    path: '/v1/tasks/:id/pushNotificationConfigs/:config',
    method: method.deleteTaskPushNotificationConfig,
    json: configName,
  },
];

/** HTTP and JSON as 0.3 had them. Of cards the extended one is here; the public one has an address of its own. */
export const REST_ROUTES: readonly HttpRoute[] = [
  ...METHODS.map(({ json, ...asked }): HttpRoute => ({
    ...asked,
    version: '0.3',
    read: (request) => decodeJson(asked.method.input, json(restRequest(request))),
    format: () => REST_FORMAT,
    dialect: REST_DIALECT,
  })),
  {
    verb: 'GET',
    path: '/v1/card',
    version: '0.3',
    method: A2AService.method.getExtendedAgentCard,
    read: () => create(GetExtendedAgentCardRequestSchema),
    format: () => REST_FORMAT,
    dialect: CARD_DIALECT,
  },
];

function restRequest(request: FastifyRequest): RestRequest {
  const { params: path, query } = request as { params: RestRequest['path']; query: RestRequest['query'] };
  // The Go client of 0.3 writes null where it has nothing to say.
  const json = resourceBody(request) ?? {};
  if (typeof json !== 'object' || Array.isArray(json)) {
    throw A2AError.invalidParams('', 'must be an object');
  }
  return { path, query, body: json as JsonObject };
}

/** A number reads as its text in ProtoJSON; whatever else is in the query is no business of the method's. */
function taskQuery(request: RestRequest): JsonObject {
  const { historyLength, history_length: snake } = request.query;
  const given = historyLength ?? snake;
  return { ...name(request), ...(given !== undefined && { historyLength: String(given) }) };
}

function configsQuery({ path, query }: RestRequest): JsonObject {
  const pageSize = query.pageSize ?? query.page_size;
  const pageToken = query.pageToken ?? query.page_token;
  return {
    parent: `tasks/${path.id}`,
    ...(pageSize !== undefined && { pageSize: String(pageSize) }),
    ...(pageToken !== undefined && { pageToken: String(pageToken) }),
  };
}

/**
 * The annotation has the config for a body and its id in the query, and the SDKs send the config or the whole request; the path
 * says whose it is.
 */
function configCreation({ path, query, body: sent }: RestRequest): JsonObject {
  const configId = query.configId ?? query.config_id ?? sent.configId ?? sent.config_id;
  return {
    parent: `tasks/${path.id}`,
    config: sent.config ?? sent,
    ...(configId !== undefined && { configId }),
  };
}
