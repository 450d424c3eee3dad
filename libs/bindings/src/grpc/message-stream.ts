import { type Metadata, type ServerWritableStream, type ServiceError } from '@grpc/grpc-js';
import { StallWatch } from './stall-watch.js';

/** Bytes of messages that wait for one reader; a single message may be larger. */
const MAX_UNSENT_BYTES = 64 * 1024;

/** The answers of a streaming call: holds little for a slow reader, and drops one that takes nothing. */
export class MessageStream {
  private readonly stall: StallWatch;
  private unsentBytes = 0;
  private resume: (() => void) | undefined;

  constructor(
    private readonly call: ServerWritableStream<Buffer, Buffer>,
    stallMs: number,
  ) {
    this.stall = new StallWatch(call, stallMs);
    call.once('cancelled', () => this.resume?.());
  }

  /** Whether nobody waits for more: the client has hung up, its deadline has passed, or it was dropped. */
  get gone(): boolean {
    return this.call.cancelled;
  }

  /** Sends the headers; from here on a failure is the end of a stream. */
  begin(metadata: Metadata): void {
    this.call.sendMetadata(metadata);
  }

  /** Writes one message; resolves when the reader keeps up, or is gone. */
  async send(message: Buffer): Promise<void> {
    if (this.gone) return;
    this.unsentBytes += message.length;
    this.stall.begin();
    this.call.write(message, () => this.sent(message.length));
    if (this.unsentBytes > MAX_UNSENT_BYTES) await new Promise<void>((resolve) => (this.resume = resolve));
  }

  /** Ends the call behind what has been written: with the status of a failure, else with OK. */
  end(metadata: Metadata): void {
    if (this.gone) return;
    this.stall.begin();
    this.call.end(metadata);
  }

  /** See {@link end}. */
  fail(status: ServiceError): void {
    if (this.gone) return;
    this.stall.begin();
    this.call.emit('error', status);
  }

  private sent(bytes: number): void {
    this.unsentBytes -= bytes;
    if (this.unsentBytes === 0) this.stall.rest();
    else this.stall.progress();
    if (this.unsentBytes <= MAX_UNSENT_BYTES) this.resume?.();
  }
}
