import { createParser } from 'eventsource-parser';
import { type Dispatcher, request as httpRequest } from 'undici';
import { type StreamResponseJson, type TaskStateJson } from '#protocol';
import { RpcError } from './json-rpc.js';

/** One event of a task's stream: its number, and what it says. */
export interface StreamEvent {
  readonly id: number;
  readonly response: StreamResponseJson;
}

/** What a binding writes as data of events, and as the error that ends a stream or refuses it. */
export interface EventFormat {
  response(data: unknown): StreamResponseJson;
  failure(status: number, data: unknown): Error;
}

/** A stream of A2A events over SSE, read one by one; what has come so far stays at hand. */
export class EventStream {
  /** The events that have been read. */
  readonly events: StreamEvent[] = [];
  /** The comments that have come. */
  readonly comments: string[] = [];
  /** How many milliseconds to wait before connecting again, where the server has said so. */
  retryMs: number | undefined;
  private readonly pending: StreamEvent[] = [];
  private readonly chunks: AsyncIterator<Buffer>;
  private readonly decoder = new TextDecoder();
  private readonly parser;
  private failure: Error | undefined;

  private constructor(
    readonly headers: Dispatcher.ResponseData['headers'],
    private readonly body: Dispatcher.ResponseData['body'],
    private readonly format: EventFormat,
  ) {
    this.chunks = body[Symbol.asyncIterator]();
    // Closing a stream that is still being sent makes an error that nobody waits for.
    body.on('error', () => undefined);
    this.parser = createParser({
      onEvent: ({ id, event, data }) => this.take(id, event, JSON.parse(data)),
      onComment: (comment) => void this.comments.push(comment),
      onRetry: (retryMs) => (this.retryMs = retryMs),
    });
  }

  /** Sends a request for a stream. Rejects with the format's failure where the answer is none. */
  static async open(
    url: string,
    request: {
      method?: 'GET' | 'POST';
      body?: string | Buffer;
      headers: Record<string, string>;
      signal?: AbortSignal;
    },
    format: EventFormat = JSON_RPC_EVENTS,
  ): Promise<EventStream> {
    const { statusCode, headers, body } = await httpRequest(url, { method: 'POST', ...request, bodyTimeout: 0 });
    if (headers['content-type'] === 'text/event-stream') return new EventStream(headers, body, format);
    throw format.failure(statusCode, await body.json());
  }

  /** The next event; undefined at the end. Rejects when the connection breaks, and with the format's failure at an error event. */
  async next(): Promise<StreamEvent | undefined> {
    while (this.pending.length === 0) {
      if (this.failure) throw this.failure;
      const { done, value } = await this.chunks.next();
      if (done) return undefined;
      this.parser.feed(this.decoder.decode(value, { stream: true }));
    }
    const event = this.pending.shift()!;
    this.events.push(event);
    return event;
  }

  /** Reads up to the first event that matches, and gives it. */
  async until(matches: (event: StreamEvent) => boolean): Promise<StreamEvent> {
    for (let event = await this.next(); event; event = await this.next()) if (matches(event)) return event;
    throw new Error('the stream ended before such an event');
  }

  /** Reads to the end, and gives all events since the beginning. */
  async all(): Promise<StreamEvent[]> {
    while (await this.next());
    return this.events;
  }

  /** The number of the newest event that has been read. */
  get lastId(): number {
    return this.events.at(-1)?.id ?? 0;
  }

  /** Hangs up. */
  close(): void {
    this.body.destroy();
  }

  private take(id: string | undefined, event: string | undefined, data: unknown): void {
    if (event === 'error') this.failure = this.format.failure(200, data);
    else this.pending.push({ id: Number(id), response: this.format.response(data) });
  }
}

/** Events as JSON-RPC wraps them. */
const JSON_RPC_EVENTS: EventFormat = {
  response: (data) => (data as { result: StreamResponseJson }).result,
  failure: (status, data) => {
    const { error } = data as { error: { code: number; message: string; data?: [] } };
    return new RpcError(status, error.code, error.message, error.data);
  },
};

/** The state an event tells of, if it does. */
export function stateOf({ response }: StreamEvent): TaskStateJson | undefined {
  return (response.task ?? response.statusUpdate)?.status?.state;
}

/** 1, 2, 3 … up to n. */
export function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1);
}
