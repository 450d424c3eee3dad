import { randomUUID } from 'node:crypto';
import { type Dispatcher, request as httpRequest } from 'undici';
import {
  type ListTasksResponseJson,
  type MessageJson,
  type PartJson,
  type SendMessageResponseJson,
  type TaskJson,
} from '#protocol';
import { EventStream } from './sse-client.js';

/** The unary operations with what they answer. */
interface Results {
  SendMessage: SendMessageResponseJson;
  GetTask: TaskJson;
  ListTasks: ListTasksResponseJson;
  CancelTask: TaskJson;
}

/** How a call goes out, beside its method and params. A header that is undefined is left away. */
export interface CallOptions {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/** An answer as it came. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly text: string;
  /** The body parsed, undefined where it is empty. */
  readonly json: any; // eslint-disable-line @typescript-eslint/no-explicit-any
}

/** The server answered with an error. */
export class RpcError extends Error {
  override readonly name = 'RpcError';

  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly data: readonly Record<string, unknown>[] = [],
  ) {
    super(message);
  }

  /** The reason of its ErrorInfo. */
  get reason(): unknown {
    return this.data.find(({ reason }) => reason !== undefined)?.reason;
  }

  /** The fields that its BadRequest names. */
  get fields(): string[] {
    const violations = this.data.flatMap((detail) => (detail.fieldViolations ?? []) as { field: string }[]);
    return violations.map(({ field }) => field);
  }
}

/** Speaks A2A 1.0 over JSON-RPC to one address, by hand: what goes over the wire is the test's to see and to spoil. */
export class JsonRpcClient {
  constructor(
    readonly url: string,
    private readonly options: CallOptions = {},
  ) {}

  /** The result of a call. Rejects with {@link RpcError}. */
  async call<Method extends keyof Results>(
    method: Method,
    params?: unknown,
    options?: CallOptions,
  ): Promise<Results[Method]> {
    const { status, json } = await this.post(envelope(method, params), options);
    if (json.error) throw new RpcError(status, json.error.code, json.error.message, json.error.data);
    return json.result;
  }

  /** Sends a message to a task that it makes, or names; resolves with the task. */
  async send(content: Content, params: SendParams = {}, options?: CallOptions): Promise<TaskJson> {
    const { task } = await this.call('SendMessage', sendParams(content, params), options);
    if (!task) throw new Error('the answer has no task');
    return task;
  }

  /** The same, answered as soon as the task is accepted. */
  start(content: Content, params: SendParams = {}, options?: CallOptions): Promise<TaskJson> {
    return this.send(
      content,
      { ...params, configuration: { ...params.configuration, returnImmediately: true } },
      options,
    );
  }

  /** Sends a message and follows what becomes of it. */
  stream(content: Content, params: SendParams = {}, options?: CallOptions): Promise<EventStream> {
    return this.open('SendStreamingMessage', sendParams(content, params), options);
  }

  /** Follows a task: as it stands and what comes then, or what came after an event's number. */
  subscribe(id: string, lastEventId?: number): Promise<EventStream> {
    const headers = { 'last-event-id': lastEventId === undefined ? undefined : String(lastEventId) };
    return this.open('SubscribeToTask', { id }, { headers });
  }

  get(id: string): Promise<TaskJson> {
    return this.call('GetTask', { id });
  }

  /** Opens a stream. Rejects with {@link RpcError} where it is refused. */
  open(method: string, params: unknown, options?: CallOptions): Promise<EventStream> {
    const { path = '', headers, signal } = this.merged(options);
    return EventStream.open(this.url + path, { headers, signal, body: JSON.stringify(envelope(method, params)) });
  }

  /** Posts any body, an object as JSON, and gives the answer as it came. */
  async post(body: unknown, options?: CallOptions): Promise<HttpAnswer> {
    const { path = '', headers, signal } = this.merged(options);
    const content = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return httpAnswer(await httpRequest(this.url + path, { method: 'POST', headers, body: content, signal }));
  }

  private merged(options: CallOptions = {}): CallOptions & { headers: Record<string, string> } {
    const headers = {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      ...this.options.headers,
      ...options.headers,
    };
    const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return { ...this.options, ...options, headers: Object.fromEntries(given) };
  }
}

/** What a test says in a message: a text, a data part's value, parts, or the message's fields. */
export type Content = string | { readonly data: object } | readonly PartJson[] | Partial<MessageJson>;

/** The fields of a send beside its message; `taskId` and `message` go into the message. */
export interface SendParams {
  readonly taskId?: string;
  readonly configuration?: object;
  readonly metadata?: object;
  readonly tenant?: string;
}

/** Params of SendMessage and SendStreamingMessage. */
export function sendParams(content: Content, { taskId, ...params }: SendParams = {}): { message: MessageJson } {
  return { ...params, message: { ...messageOf(content), ...(taskId && { taskId }) } };
}

/** A message of the client's with a new id. */
export function messageOf(content: Content): MessageJson {
  const fields = { messageId: randomUUID(), role: 'ROLE_USER' as const };
  if (typeof content === 'string') return { ...fields, parts: [{ text: content }] };
  if (Array.isArray(content)) return { ...fields, parts: [...(content as PartJson[])] };
  if ('data' in content) return { ...fields, parts: [content as PartJson] };
  return { ...fields, ...content };
}

/** A request as JSON-RPC wraps it. */
export function envelope(method: string, params?: unknown): Record<string, unknown> {
  return { jsonrpc: '2.0', id: 1, method, params };
}

/** Does a GET (or what `options` say) and reads the answer. */
export async function fetchAnswer(
  url: string,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'method'> & { method?: Dispatcher.HttpMethod } = {},
): Promise<HttpAnswer> {
  return httpAnswer(await httpRequest(url, options));
}

async function httpAnswer({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<HttpAnswer> {
  const text = await body.text();
  return { status: statusCode, headers, text, json: text === '' ? undefined : JSON.parse(text) };
}
