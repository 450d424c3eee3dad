import { constants, type ServerHttp2Stream } from 'node:http2';
import { type ServerWritableStream } from '@grpc/grpc-js';

type ServerCall = Pick<ServerWritableStream<unknown, unknown>, 'cancelled'>;

/** Drops a call whose reader takes nothing for `stallMs` while there is something to take: what waits for it is memory. */
export class StallWatch {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly call: ServerCall,
    private readonly stallMs: number,
  ) {}

  /** There is something to take from now on. */
  begin(): void {
    if (!this.call.cancelled) this.timer ??= setTimeout(() => reset(this.call), this.stallMs);
  }

  /** The reader has taken something; more is waiting. */
  progress(): void {
    this.timer?.refresh();
  }

  /** Nothing is waiting, or nobody to take it. */
  rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/**
 * Ends the HTTP/2 stream of a call at once. grpc-js can end one only behind what its reader has yet to take, and has no public
 * way to the stream; ending the connection instead would end all other calls on it.
 */
function reset(call: ServerCall): void {
  const { stream } = (call as unknown as { call: { stream: ServerHttp2Stream } }).call;
  stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
