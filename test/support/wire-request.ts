import { createParser } from 'eventsource-parser';
import { type Dispatcher, request } from 'undici';

/** A request as a client writes it, byte for byte where that matters. */
export interface WireRequest {
  readonly method?: Dispatcher.HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer as it came, redirects not followed. */
export interface WireAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly headers: Dispatcher.ResponseData['headers'];
  /** The body as JSON; undefined where it is empty or a stream. */
  readonly json: any; // eslint-disable-line @typescript-eslint/no-explicit-any
  /** The data of the events, parsed, where the body is a stream of them. */
  readonly events: any[]; // eslint-disable-line @typescript-eslint/no-explicit-any
}

/** Sends a request and reads the answer to its end. */
export async function wire(url: string, { method = 'POST', headers, body }: WireRequest = {}): Promise<WireAnswer> {
  const answer = await request(url, { method, headers, body });
  const text = await answer.body.text();
  const contentType = String(answer.headers['content-type'] ?? '');
  const isStream = contentType.startsWith('text/event-stream');
  return {
    status: answer.statusCode,
    contentType,
    headers: answer.headers,
    json: isStream || text === '' ? undefined : JSON.parse(text),
    events: isStream ? dataOf(text) : [],
  };
}

function dataOf(text: string): unknown[] {
  const events: unknown[] = [];
  const parser = createParser({ onEvent: ({ data }) => void events.push(JSON.parse(data)) });
  parser.feed(text);
  return events;
}
