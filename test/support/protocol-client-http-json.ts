import { type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { type Dispatcher, request as httpRequest } from 'undici';
import {
  type AgentLocation,
  type CallOptions,
  parametersOf,
  type ProtocolClient,
  ProtocolError,
  type ProtocolStream,
  type Results,
  type StreamingOperation,
  tellHeaders,
  type UnaryOperation,
} from './protocol-client.js';
import { canonical, outputOf } from './protocol-client-messages.js';
import { sseStream } from './protocol-client-sse.js';

interface Route {
  readonly verb: Dispatcher.HttpMethod;
  /** Names in braces are fields of the request. */
  readonly path: string;
  /** Whether the fields that the path does not take are the body; else they are the query. */
  readonly body?: true;
}

/** The routes of the specification's section 11.3. */
const ROUTES: Readonly<Record<UnaryOperation | StreamingOperation, Route>> = {
  SendMessage: { verb: 'POST', path: '/message:send', body: true },
  SendStreamingMessage: { verb: 'POST', path: '/message:stream', body: true },
  GetTask: { verb: 'GET', path: '/tasks/{id}' },
  ListTasks: { verb: 'GET', path: '/tasks' },
  CancelTask: { verb: 'POST', path: '/tasks/{id}:cancel', body: true },
  SubscribeToTask: { verb: 'POST', path: '/tasks/{id}:subscribe' },
  CreateTaskPushNotificationConfig: { verb: 'POST', path: '/tasks/{taskId}/pushNotificationConfigs', body: true },
  GetTaskPushNotificationConfig: { verb: 'GET', path: '/tasks/{taskId}/pushNotificationConfigs/{id}' },
  ListTaskPushNotificationConfigs: { verb: 'GET', path: '/tasks/{taskId}/pushNotificationConfigs' },
  DeleteTaskPushNotificationConfig: { verb: 'DELETE', path: '/tasks/{taskId}/pushNotificationConfigs/{id}' },
  GetExtendedAgentCard: { verb: 'GET', path: '/extendedAgentCard' },
};

/** The answer to a failed call: `google.rpc.Status` as HTTP wraps it. */
interface ErrorBody {
  readonly error: {
    readonly code: number;
    readonly status: string;
    readonly message: string;
    readonly details?: JsonObject[];
  };
}

/** A2A over HTTP+JSON (specification section 11), by hand. */
export class HttpJsonProtocolClient implements ProtocolClient {
  readonly binding = 'HTTP+JSON';
  private readonly url: string;

  constructor({ url, agent }: Pick<AgentLocation, 'url' | 'agent'>) {
    this.url = agent === undefined ? url : `${url}/agents/${agent}`;
  }

  async call<Operation extends UnaryOperation>(
    operation: Operation,
    request: JsonObject = {},
    options?: CallOptions,
  ): Promise<Results[Operation]> {
    const answer = await this.exchange(operation, request, options);
    return canonical(outputOf(operation), (await answer.body.json()) as JsonValue) as Results[Operation];
  }

  async open(operation: StreamingOperation, request: JsonObject, options?: CallOptions): Promise<ProtocolStream> {
    const { statusCode, headers, body } = await this.exchange(operation, request, options);
    if (headers['content-type'] !== 'text/event-stream') throw new Error('the answer is neither a stream nor an error');
    return sseStream(body, ({ event, data }) => {
      const json = JSON.parse(data) as JsonObject;
      if (event === 'error') throw errorOf(json as unknown as ErrorBody, statusCode);
      return canonical(outputOf(operation), json);
    });
  }

  close(): void {
    // Its connections are undici's.
  }

  /** The answer, if it is a success. */
  private async exchange(
    operation: UnaryOperation | StreamingOperation,
    request: JsonObject,
    options?: CallOptions,
  ): Promise<Dispatcher.ResponseData> {
    const route = ROUTES[operation];
    const { target, rest } = targetOf(route, request);
    const content = route.body ? { 'content-type': 'application/a2a+json' } : {};
    const answer = await httpRequest(this.url + target, {
      method: route.verb,
      headers: { ...content, ...parametersOf(options) },
      body: route.body ? JSON.stringify(rest) : undefined,
      bodyTimeout: 0,
    });
    if (answer.statusCode === 200) {
      tellHeaders(answer.headers, options);
      return answer;
    }
    throw errorOf((await answer.body.json()) as ErrorBody, answer.statusCode);
  }
}

/** Where a request goes: the tenant and the fields that its path names in the path, the rest in the body or the query. */
function targetOf({ path, body }: Route, { tenant, ...request }: JsonObject): { target: string; rest: JsonObject } {
  const rest = { ...request };
  const filled = path.replace(/\{(\w+)\}/g, (_, field: string) => {
    const value = rest[field];
    delete rest[field];
    return encodeURIComponent(textOf(value));
  });
  const target = (tenant === undefined ? '' : `/${encodeURIComponent(textOf(tenant))}`) + filled;
  if (body) return { target, rest };
  const query = new URLSearchParams(
    Object.entries(rest).map(([name, value]): [string, string] => [name, textOf(value)]),
  );
  return { target: query.size === 0 ? target : `${target}?${query.toString()}`, rest: {} };
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function errorOf({ error }: ErrorBody, httpStatus: number): ProtocolError {
  const { code, status, message, details = [] } = error;
  return new ProtocolError({ code, httpStatus, status, message, details });
}
