import { type DescMethod, type JsonObject } from '@bufbuild/protobuf';
import { v03 } from '#protocol';

/** The HTTP verbs of 0.3. */
export type RestVerb = 'GET' | 'POST' | 'DELETE';

/** What a request says: the parameters of its path and its query, decoded, and its body, `{}` where it has none. */
export interface RestRequest {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: JsonObject;
}

/** One way to ask for a method of 0.3 over HTTP and JSON. */
export interface RestRoute {
  readonly verb: RestVerb;
  /** Below a base, in Fastify's spelling: `/v1/tasks/:id(.+)::cancel`. */
  readonly path: string;
  readonly method: DescMethod;
  /** The request message in ProtoJSON. */
  readonly json: (request: RestRequest) => JsonObject;
}

const { method } = v03.A2AService;

const body = (request: RestRequest) => request.body;
const name = ({ path }: RestRequest) => ({ name: `tasks/${path.id}` });
const configName = ({ path }: RestRequest) => ({ name: `tasks/${path.id}/pushNotificationConfigs/${path.config}` });

/** The routes of section 3.5.6 of the specification 0.3; messages are those of package a2a.v1, as its SDKs send them. */
export const REST_ROUTES: readonly RestRoute[] = [
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
    json: ({ path }) => ({ parent: `tasks/${path.id}` }),
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

/** A number reads as its text in ProtoJSON; whatever else is in the query is no business of the method's. */
function taskQuery(request: RestRequest): JsonObject {
  const { historyLength, history_length: snake } = request.query;
  const given = historyLength ?? snake;
  return { ...name(request), ...(given !== undefined && { historyLength: String(given) }) };
}

/** The annotation has the config for a body, and the SDKs send it or the whole request; the path says whose it is. */
function configCreation({ path, body: sent }: RestRequest): JsonObject {
  return { parent: `tasks/${path.id}`, config: sent.config ?? sent };
}
