import { createParser } from 'eventsource-parser';
import { type Dispatcher, request as httpRequest } from 'undici';
import { type StreamResponseJson, type TaskStateJson } from '#protocol';
import { RpcError } from './json-rpc.js';

/** One event of a task's stream: its number, and what it says. */
export interface StreamEvent {
  readonly id: number;
  readonly response: StreamResponseJson;
}

/** A stream of A2A events over SSE, read one by one; what has come so far stays at hand. */
export class EventStream {
  /** The events that have been read. */
  readonly events: StreamEvent[] = [];
  /** The comments that have come. */
  readonly comments: string[] = [];
  private readonly pending: StreamEvent[] = [];
  private readonly chunks: AsyncIterator<Buffer>;
  private readonly decoder = new TextDecoder();
  private readonly parser;
  private failure: RpcError | undefined;

  private constructor(
    readonly headers: Dispatcher.ResponseData['headers'],
    private readonly body: Dispatcher.ResponseData['body'],
  ) {
    this.chunks = body[Symbol.asyncIterator]();
    // Closing a stream that is still being sent makes an error that nobody waits for.
    body.on('error', () => undefined);
    this.parser = createParser({
      onEvent: ({ id, event, data }) => this.take(id, event, JSON.parse(data)),
      onComment: (comment) => void this.comments.push(comment),
    });
  }

  /** Posts a request for a stream. Rejects with RpcError where the answer is none. */
  static async open(
    url: string,
    { body, headers, signal }: { body: string; headers: Record<string, string>; signal?: AbortSignal },
  ): Promise<EventStream> {
    const answer = await httpRequest(url, { method: 'POST', headers, body, signal, bodyTimeout: 0 });
    if (answer.headers['content-type'] === 'text/event-stream') return new EventStream(answer.headers, answer.body);
    const { error } = (await answer.body.json()) as { error: { code: number; message: string; data?: [] } };
    throw new RpcError(answer.statusCode, error.code, error.message, error.data);
  }

  /** The next event; undefined at the end. Rejects when the connection breaks, and with RpcError at an error event. */
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

  private take(id: string | undefined, event: string | undefined, data: Envelope): void {
    if (event === 'error') this.failure = new RpcError(200, data.error!.code, data.error!.message, data.error!.data);
    else this.pending.push({ id: Number(id), response: data.result! });
  }
}

interface Envelope {
  readonly result?: StreamResponseJson;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: [] };
}

/** The state an event tells of, if it does. */
export function stateOf({ response }: StreamEvent): TaskStateJson | undefined {
  return (response.task ?? response.statusUpdate)?.status?.state;
}

/** 1, 2, 3 … up to n. */
export function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1);
}
