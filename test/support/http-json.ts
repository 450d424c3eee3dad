import { type Dispatcher, request as httpRequest } from 'undici';
import {
  type ListTasksResponseJson,
  type SendMessageResponseJson,
  type StreamResponseJson,
  type TaskJson,
} from '#protocol';
import { type Content, type HttpAnswer, sendParams, type SendParams } from './json-rpc.js';
import { type EventFormat, EventStream } from './sse-client.js';

/** How a request goes out. A header that is undefined is left away; a body that is no text or bytes goes as JSON. */
export interface RestOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/** The type of a body, without its parameters. */
export function mediaType(headers: HttpAnswer['headers']): string | undefined {
  return String(headers['content-type']).split(';', 1)[0];
}

/** The server answered with an error: a google.rpc.Status as HTTP+JSON shows it. */
export class RestError extends Error {
  override readonly name = 'RestError';

  constructor(
    /** The status of the answer, 200 for an event that ended a stream. */
    readonly httpStatus: number,
    readonly code: number,
    readonly status: string,
    message: string,
    readonly details: readonly Record<string, unknown>[] = [],
  ) {
    super(message);
  }

  /** The reason of its ErrorInfo. */
  get reason(): unknown {
    return this.details.find(({ reason }) => reason !== undefined)?.reason;
  }

  /** The fields that its BadRequest names. */
  get fields(): string[] {
    const violations = this.details.flatMap((detail) => (detail.fieldViolations ?? []) as { field: string }[]);
    return violations.map(({ field }) => field);
  }
}

/** Speaks A2A 1.0 over HTTP+JSON to one address, by hand: what goes over the wire is the test's to see and to spoil. */
export class HttpJsonClient {
  constructor(
    readonly url: string,
    private readonly options: RestOptions = {},
  ) {}

  /** Sends a message to a task that it makes, or names; resolves with the task. */
  async send(content: Content, params: SendParams = {}, options?: RestOptions): Promise<TaskJson> {
    const body = sendParams(content, params);
    const { task } = await this.call<SendMessageResponseJson>('POST', '/message:send', { ...options, body });
    if (!task) throw new Error('the answer has no task');
    return task;
  }

  /** The same, answered as soon as the task is accepted. */
  start(content: Content, params: SendParams = {}, options?: RestOptions): Promise<TaskJson> {
    const configuration = { ...params.configuration, returnImmediately: true };
    return this.send(content, { ...params, configuration }, options);
  }

  get(id: string): Promise<TaskJson> {
    return this.call('GET', `/tasks/${id}`);
  }

  cancel(id: string): Promise<TaskJson> {
    return this.call('POST', `/tasks/${id}:cancel`);
  }

  list(query: Record<string, string> = {}): Promise<ListTasksResponseJson> {
    return this.call('GET', `/tasks?${new URLSearchParams(query).toString()}`);
  }

  /** Sends a message and follows what becomes of it. */
  stream(content: Content, params: SendParams = {}, options?: RestOptions): Promise<EventStream> {
    return this.open('POST', '/message:stream', { ...options, body: sendParams(content, params) });
  }

  /** Follows a task: as it stands and what comes then, or what came after an event's number. */
  subscribe(id: string, lastEventId?: number): Promise<EventStream> {
    const headers = { 'last-event-id': lastEventId === undefined ? undefined : String(lastEventId) };
    return this.open('POST', `/tasks/${id}:subscribe`, { headers });
  }

  /** Opens a stream. Rejects with {@link RestError} where it is refused. */
  open(method: 'GET' | 'POST', path: string, options?: RestOptions): Promise<EventStream> {
    return EventStream.open(this.url + path, { method, ...this.prepared(options) }, HTTP_JSON_EVENTS);
  }

  /** The JSON of an answer with status 200. Rejects with {@link RestError}. */
  async call<Result>(method: Dispatcher.HttpMethod, path: string, options?: RestOptions): Promise<Result> {
    const { status, json } = await this.request(method, path, options);
    if (status !== 200) throw restError(status, json);
    return json as Result;
  }

  /** Any request, and the answer as it came. */
  async request(method: Dispatcher.HttpMethod, path: string, options?: RestOptions): Promise<HttpAnswer> {
    const answer = await httpRequest(this.url + path, { method, ...this.prepared(options) });
    const text = await answer.body.text();
    const isJson = /^application\/(a2a\+)?json/.test(String(answer.headers['content-type'])) && text !== '';
    return { status: answer.statusCode, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  private prepared({ body, headers, signal }: RestOptions = {}) {
    const all = {
      'a2a-version': '1.0',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...this.options.headers,
      ...headers,
    };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { headers: Object.fromEntries(given), body: content(body), signal };
  }
}

function content(body: unknown): string | Buffer | undefined {
  return body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
}

function restError(httpStatus: number, json: unknown): RestError {
  const { error } = json as { error: { code: number; status: string; message: string; details?: [] } };
  return new RestError(httpStatus, error.code, error.status, error.message, error.details);
}

/** Bare events. */
const HTTP_JSON_EVENTS: EventFormat = {
  response: (data) => data as StreamResponseJson,
  failure: restError,
};
