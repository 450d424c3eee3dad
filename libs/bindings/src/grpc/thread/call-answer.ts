import {
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type status,
} from '@grpc/grpc-js';
import { type CallEnd } from '../thread-messages.js';

/** The failure that a call ends with, as grpc-js wants it. */
export interface Failure {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** Answers a call of a method with one message, which is the end as well. */
export class UnaryAnswer {
  private isGiven = false;

  constructor(
    readonly call: ServerUnaryCall<Buffer, Buffer>,
    private readonly respond: sendUnaryData<Buffer>,
  ) {}

  send(message: Buffer): void {
    this.isGiven = true;
    this.respond(null, message);
  }

  end(trailers: Metadata, failure?: Failure): void {
    if (!this.isGiven) this.respond(failure ?? null, undefined, trailers);
  }
}

/** Answers a call of a method with a stream of messages. */
export class StreamAnswer {
  constructor(readonly call: ServerWritableStream<Buffer, Buffer>) {}

  /** `taken` is called when the client has taken the message. */
  send(message: Buffer, taken: () => void): void {
    this.call.write(message, taken);
  }

  end(trailers: Metadata, failure?: Failure): void {
    if (failure) this.call.emit('error', failure);
    else this.call.end(trailers);
  }
}

/** The failure of a call's end, if it is one. */
export function failureOf({ failure }: CallEnd, metadata: Metadata): Failure | undefined {
  return failure && { code: failure.code, details: failure.text, metadata };
}
