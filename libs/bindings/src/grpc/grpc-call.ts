import { type ServiceParameters } from '../service-parameters.js';
import { type GrpcCarrier } from './grpc-carrier.js';
import { type CallEnd, type CallParts, type Entries, type TextMetadata } from './thread-messages.js';

/** Bytes of messages that wait for one reader; a single message may be larger. */
const MAX_UNSENT_BYTES = 64 * 1024;

/** What came with a call: its metadata, and a message. */
export interface GrpcRequest {
  readonly parameters: TextMetadata;
  readonly request: Uint8Array;
}

/** The way of a call to its client. */
export interface GrpcCallWire {
  readonly carrier: GrpcCarrier;
  write(parts: CallParts): void;
  /** Is called once, when nothing more is written. */
  over(): void;
}

/** A call of a client: what came, and the way to answer it. What is written to a client that is gone, is dropped. */
export class GrpcCall {
  readonly request: Uint8Array;
  /** The service parameters: its metadata. A key that is repeated counts as one comma separated value. */
  readonly parameters: ServiceParameters;
  private isOver = false;
  private unsentBytes = 0;
  private resume: (() => void) | undefined;

  constructor(
    { parameters, request }: GrpcRequest,
    private readonly wire: GrpcCallWire,
  ) {
    this.request = request;
    this.parameters = (name) => valueOf(parameters, name);
  }

  get carrier(): GrpcCarrier {
    return this.wire.carrier;
  }

  /** Whether nobody waits for more: it has been answered, the client has hung up, its deadline has passed, or it was dropped. */
  get over(): boolean {
    return this.isOver;
  }

  /** Answers with one message. */
  answer(message: Uint8Array, headers?: Entries): void {
    this.finish({ headers, message, end: {} });
  }

  /** Begins a stream of messages; from here on a failure is the end of a stream. */
  begin(headers: Entries): void {
    if (!this.isOver) this.wire.write({ headers });
  }

  /** Writes one message of a stream; resolves when the reader keeps up, or is gone. */
  async send(message: Uint8Array): Promise<void> {
    if (this.isOver) return;
    this.unsentBytes += message.length;
    this.wire.write({ message });
    if (this.unsentBytes > MAX_UNSENT_BYTES) await new Promise<void>((resolve) => (this.resume = resolve));
  }

  /** Ends the call behind what has been written. */
  end(end: CallEnd): void {
    this.finish({ end });
  }

  /** To be told when the client has taken so many bytes of messages. */
  taken(bytes: number): void {
    this.unsentBytes -= bytes;
    if (this.unsentBytes <= MAX_UNSENT_BYTES) this.resume?.();
  }

  /** To be told when the client is gone. */
  drop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.resume?.();
    this.wire.carrier.close();
    this.wire.over();
  }

  private finish(parts: CallParts): void {
    if (this.isOver) return;
    this.isOver = true;
    this.wire.write(parts);
    this.wire.over();
  }
}

function valueOf(parameters: TextMetadata, name: string): string | undefined {
  for (let index = 0; index < parameters.length; index += 2) {
    if (parameters[index] === name) return parameters[index + 1];
  }
  return undefined;
}
