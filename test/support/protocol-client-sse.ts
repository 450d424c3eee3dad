import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { type Dispatcher } from 'undici';
import { type ProtocolEvent, ProtocolStream } from './protocol-client.js';

/** What a body says, read as the SSE of one binding; `read` takes one SSE event apart, and throws where it is an error. */
export function sseStream(
  body: Dispatcher.ResponseData['body'],
  read: (event: EventSourceMessage) => ProtocolEvent['response'],
): ProtocolStream {
  // Closing a stream that is still being sent makes an error that nobody waits for.
  body.on('error', () => undefined);
  return new ProtocolStream(eventsOf(body, read), () => void body.destroy());
}

async function* eventsOf(
  body: AsyncIterable<Buffer>,
  read: (event: EventSourceMessage) => ProtocolEvent['response'],
): AsyncGenerator<ProtocolEvent> {
  const pending: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => void pending.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const event of pending.splice(0)) yield { sequence: numberOf(event.id), response: read(event) };
  }
}

function numberOf(id: string | undefined): number | undefined {
  return id === undefined ? undefined : Number(id);
}
