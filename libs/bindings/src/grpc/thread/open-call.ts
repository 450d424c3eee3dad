import { Metadata, status } from '@grpc/grpc-js';
import { type CallEnd, type CallParts, type Entries, type TextMetadata } from '../thread-messages.js';
import { failureOf, type StreamAnswer, type UnaryAnswer } from './call-answer.js';
import { StallWatch } from './stall-watch.js';

/** Is told what becomes of what is written. */
export interface CallReader {
  /** So many bytes of messages have been taken; not said any more when the end is written. */
  taken(bytes: number): void;
  /** Nothing more can be written: the end was written before, or nobody waits for it. */
  left(hasEnd: boolean): void;
}

/** A call that is being answered: writes what it is told, and drops a reader that takes nothing. */
export class OpenCall {
  private readonly stall: StallWatch;
  private unsentBytes = 0;
  private hasEnded = false;

  constructor(
    private readonly answer: UnaryAnswer | StreamAnswer,
    stallMs: number,
    private readonly reader: CallReader,
  ) {
    const { call } = answer;
    this.stall = new StallWatch(call, stallMs);
    // Also said of a call that has come to its end.
    call.once('cancelled', () => {
      this.stall.rest();
      reader.left(this.hasEnded);
    });
  }

  /** Throws where metadata is not what HTTP/2 can carry; the call has ended then. */
  write(parts: CallParts): void {
    if (this.answer.call.cancelled) return;
    try {
      this.writeParts(parts);
    } catch (error) {
      this.end({ failure: { code: status.INTERNAL, text: 'Internal error' } });
      throw error;
    }
  }

  private writeParts({ headers, message, end }: CallParts): void {
    // Known before the message is written: who has answered does not ask what the client has taken.
    this.hasEnded = end !== undefined;
    if (headers) this.answer.call.sendMetadata(metadataOf(headers));
    if (message) this.send(bufferOf(message));
    if (end) this.end(end);
  }

  private send(message: Buffer): void {
    this.unsentBytes += message.length;
    this.stall.begin();
    this.answer.send(message, () => this.sent(message.length));
  }

  private end(end: CallEnd): void {
    this.stall.begin();
    const trailers = metadataOf(end.trailers ?? {});
    this.answer.end(trailers, failureOf(end, trailers));
  }

  private sent(bytes: number): void {
    this.unsentBytes -= bytes;
    if (this.unsentBytes === 0) this.stall.rest();
    else this.stall.progress();
    if (!this.hasEnded) this.reader.taken(bytes);
  }
}

/** Without the keys that have bytes. */
export function parametersOf(metadata: Metadata): TextMetadata {
  const parameters: string[] = [];
  for (const [name, values] of Object.entries(metadata.toJSON())) {
    if (!name.endsWith('-bin')) parameters.push(name, values.join(', '));
  }
  return parameters;
}

function metadataOf(entries: Entries): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) {
    if (value !== undefined) metadata.set(key, typeof value === 'string' ? value : bufferOf(value));
  }
  return metadata;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
