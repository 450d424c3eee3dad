import { type MessageJsonType } from '@bufbuild/protobuf';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { Agent, fetch, type Response } from 'undici';
import { A2AService, type StreamResponseJson } from '#protocol';
import { CallRefusedError, connectionReason, TransportError } from './call-error.js';
import { resultOf } from './json-rpc-answer.js';

const { sendMessage, getTask, listTasks, cancelTask, sendStreamingMessage, subscribeToTask } = A2AService.method;

/** The operations by their JSON-RPC name: types of what goes in and out, and the schemas that check the answers. */
const CALLS = { SendMessage: sendMessage, GetTask: getTask, ListTasks: listTasks, CancelTask: cancelTask } as const;
const STREAMS = { SendStreamingMessage: sendStreamingMessage, SubscribeToTask: subscribeToTask } as const;

type Calls = typeof CALLS;
type Streams = typeof STREAMS;
type Headers = Readonly<Record<string, string>>;

/** One event of a stream; `sequence` is the event's number in its task where the server tells it. */
export interface StreamEvent {
  readonly sequence?: number;
  readonly response: StreamResponseJson;
}

/** A silent stream is taken for dead after this; Perdure sends a comment every 15 s. */
const SILENCE_MS = 120_000;
const MAX_EVENT_CHARACTERS = 64 * 1024 * 1024;
const EVENT_STREAM = 'text/event-stream';

// An agent may take days to answer a blocking call, so nothing is timed but a stream that was flowing.
const calls = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
const streams = new Agent({ headersTimeout: 0, bodyTimeout: SILENCE_MS });

/**
 * A2A 1.0 over JSON-RPC at one agent's endpoint. Methods reject with a {@link CallRefusedError} for an error the server
 * answers, and with a {@link TransportError} when no usable answer comes.
 */
export class A2AClient {
  private lastId = 0;

  /** @param headers go with every request. */
  constructor(
    readonly url: string,
    private readonly headers: Headers = {},
  ) {}

  async call<M extends keyof Calls>(
    method: M,
    params: MessageJsonType<Calls[M]['input']>,
    headers: Headers = {},
  ): Promise<MessageJsonType<Calls[M]['output']>> {
    const response = await this.post(method, params, { ...headers, accept: 'application/json' });
    return resultOf<Calls[M]['output']>(CALLS[method].output, await this.textOf(response), response);
  }

  /** The events as they come, after `lastEventId` where given; ends when the server ends the stream, throws when it is cut. */
  async *stream<M extends keyof Streams>(
    method: M,
    params: MessageJsonType<Streams[M]['input']>,
    { lastEventId, headers }: { readonly lastEventId?: number; readonly headers?: Headers } = {},
  ): AsyncGenerator<StreamEvent> {
    const resume: Headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
    const response = await this.post(method, params, { ...headers, ...resume, accept: EVENT_STREAM });
    const schema = STREAMS[method].output;
    if (!response.body || !response.headers.get('content-type')?.startsWith(EVENT_STREAM)) {
      resultOf(schema, await this.textOf(response), response);
      throw new TransportError(`${this.url} answered ${method} without an event stream.`, false);
    }
    const source = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_EVENT_CHARACTERS }));
    try {
      for await (const { id, data } of source) {
        yield { sequence: sequenceOf(id), response: resultOf(schema, data, response) };
      }
    } catch (error) {
      throw this.cut(error);
    }
  }

  private async post(method: string, params: unknown, headers: Headers): Promise<Response> {
    try {
      return await fetch(this.url, {
        method: 'POST',
        headers: { ...this.headers, ...headers, 'content-type': 'application/json', 'a2a-version': '1.0' },
        body: JSON.stringify({ jsonrpc: '2.0', id: ++this.lastId, method, params }),
        dispatcher: headers.accept === EVENT_STREAM ? streams : calls,
      });
    } catch (error) {
      throw this.cut(error);
    }
  }

  private async textOf(response: Response): Promise<string> {
    return response.text().catch((error: unknown) => {
      throw this.cut(error);
    });
  }

  private cut(error: unknown): Error {
    if (error instanceof TransportError || error instanceof CallRefusedError) return error;
    return new TransportError(`No answer from ${this.url}: ${connectionReason(error)}.`, true, { cause: error });
  }
}

function sequenceOf(id: string | undefined): number | undefined {
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined;
}
