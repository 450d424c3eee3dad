import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '#platform';
import { A2AError } from '#protocol';

/** One answer, or a stream of them. */
export type CallKind = 'unary' | 'stream';

/** What a call is answered on: a connection of HTTP/1, or one of the streams that share a connection of HTTP/2. */
export interface CallCarrier {
  readonly destroyed: boolean;
  once(event: 'close', listener: () => void): unknown;
}

/** One call that is being answered. Its signal aborts when its carrier closes or the server shuts down. */
export interface Call {
  readonly kind: CallKind;
  readonly signal: AbortSignal;
  /** To be called once, when the answer is written, whatever became of it. */
  readonly close: () => void;
}

/** Made once: over HTTP/2 every call has a carrier of its own, and making the reason is most of what ending one costs. */
const CALLER_GONE = new DOMException('The caller is gone', 'AbortError');

/** The calls that this process is answering: bounds its streams, and ends them all when the server shuts down. */
@Injectable()
export class OpenCalls {
  /** One controller for all calls of a carrier, kept to its end: one for each call costs more than the rest of its entry. */
  private readonly carriers = new Map<CallCarrier, AbortController>();
  private readonly taking = new AbortController();
  private calls = 0;
  private streams = 0;
  private drained: Promise<void> | undefined;
  private lastCallClosed: (() => void) | undefined;

  constructor(@Inject(CONFIG) private readonly config: Pick<Config, 'maxStreams' | 'drainMs'>) {}

  /** Whether the server is shutting down: no new call is taken. */
  get draining(): boolean {
    return this.taking.signal.aborted;
  }

  /** Aborts when the server begins to shut down. */
  get drainSignal(): AbortSignal {
    return this.taking.signal;
  }

  /** Refuses new calls from now on; those that are open go on. */
  stopTaking(): void {
    this.taking.abort();
  }

  /** Takes a call. Throws A2AError UNAVAILABLE while draining and RESOURCE_EXHAUSTED when all streams are in use. */
  enter(kind: CallKind, carrier: CallCarrier): Call {
    if (this.draining) throw shuttingDown();
    if (kind === 'stream') this.takeStream();
    const { signal } = this.controllerOf(carrier);
    this.calls++;
    return { kind, signal, close: () => this.leave(kind) };
  }

  /**
   * Ends every open call: streams say that the server goes, so that clients connect again elsewhere; other calls answer with what
   * they have. Resolves when all have been answered, after PERDURE_DRAIN at the latest. Call it before the app is closed.
   */
  drain(): Promise<void> {
    this.stopTaking();
    return (this.drained ??= this.endAll());
  }

  private async endAll(): Promise<void> {
    if (this.calls === 0) return;
    const closed = new Promise<void>((resolve) => (this.lastCallClosed = resolve));
    const patience = setTimeout(() => this.lastCallClosed?.(), this.config.drainMs);
    for (const controller of this.carriers.values()) controller.abort(shuttingDown());
    await closed;
    clearTimeout(patience);
  }

  private takeStream(): void {
    const { maxStreams } = this.config;
    if (this.streams >= maxStreams) {
      const message = `All ${maxStreams} streams of this server are in use; try again later`;
      throw new A2AError('RESOURCE_EXHAUSTED', { message, retryAfterMs: 1_000 });
    }
    this.streams++;
  }

  private controllerOf(carrier: CallCarrier): AbortController {
    const known = this.carriers.get(carrier);
    if (known) return known;
    const controller = new AbortController();
    if (carrier.destroyed) {
      controller.abort(CALLER_GONE);
      return controller;
    }
    this.carriers.set(carrier, controller);
    carrier.once('close', () => {
      this.carriers.delete(carrier);
      controller.abort(CALLER_GONE);
    });
    return controller;
  }

  private leave(kind: CallKind): void {
    if (kind === 'stream') this.streams--;
    if (--this.calls === 0) this.lastCallClosed?.();
  }
}

function shuttingDown(): A2AError {
  return new A2AError('UNAVAILABLE', { message: 'The server is shutting down; try again', retryAfterMs: 1_000 });
}
