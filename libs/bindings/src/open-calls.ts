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
  /** To be called when nothing is left to do for the call but to tell of its task: it is not pending any more. */
  readonly waits: () => void;
  /** To be called once, when the answer is written, whatever became of it. */
  readonly close: () => void;
}

/** Made once: over HTTP/2 every call has a carrier of its own, and making the reason is most of what ending one costs. */
const CALLER_GONE = new DOMException('The caller is gone', 'AbortError');

/**
 * The calls that this process is answering: bounds its streams, and ends them all when the server shuts down. It does so in
 * steps (docs/adr/0033): `announceEnd`, `stopTaking`, `endStreams`, `drain`; each implies those before it.
 */
@Injectable()
export class OpenCalls {
  /** One controller for all calls of a carrier, kept to its end: one for each call costs more than the rest of its entry. */
  private readonly carriers = new Map<CallCarrier, AbortController>();
  /** Those of the carriers on which a stream is open. */
  private readonly streaming = new Set<AbortController>();
  private readonly ending = new AbortController();
  private isTaking = true;
  private calls = 0;
  private streams = 0;
  private working = 0;
  private drained: Promise<void> | undefined;
  private readonly onClosed = new Set<() => void>();

  constructor(@Inject(CONFIG) private readonly config: Pick<Config, 'maxStreams' | 'drainMs'>) {}

  /** Aborts when the end of the server is announced: nobody should send it new work, though calls may still be taken. */
  get endSignal(): AbortSignal {
    return this.ending.signal;
  }

  /** Calls that this process works on: neither streams that have begun nor sends that wait for their task. */
  get pending(): number {
    return this.working;
  }

  /** Tells load balancers and clients to go elsewhere; calls are taken all the same. */
  announceEnd(): void {
    this.ending.abort();
  }

  /** Refuses new calls from now on; those that are open go on. */
  stopTaking(): void {
    this.announceEnd();
    this.isTaking = false;
  }

  /** Takes a call. Throws A2AError UNAVAILABLE while shutting down and RESOURCE_EXHAUSTED when all streams are in use. */
  enter(kind: CallKind, carrier: CallCarrier): Call {
    if (!this.isTaking) throw shuttingDown();
    if (kind === 'stream') this.takeStream();
    const controller = this.controllerOf(carrier);
    this.calls++;
    if (kind === 'stream') this.streaming.add(controller);
    const waits = this.work();
    const close = () => {
      waits();
      this.leave(kind, controller);
    };
    return { kind, signal: controller.signal, waits, close };
  }

  /** Resolves when every call but the streams has been answered, after PERDURE_DRAIN at the latest. */
  answered(): Promise<void> {
    return this.whenClosed(() => this.calls === this.streams);
  }

  /** Ends the open streams: they say that the server goes, so that clients take them up again elsewhere. */
  endStreams(): void {
    this.stopTaking();
    for (const controller of this.streaming) controller.abort(shuttingDown());
  }

  /**
   * Ends every open call: streams as `endStreams`, and other calls answer with what they have. Resolves when all have been
   * answered, after PERDURE_DRAIN at the latest. Call it before the app is closed.
   */
  drain(): Promise<void> {
    this.stopTaking();
    return (this.drained ??= this.endAll());
  }

  private async endAll(): Promise<void> {
    for (const controller of this.carriers.values()) controller.abort(shuttingDown());
    await this.whenClosed(() => this.calls === 0);
  }

  /** Resolves when enough calls are closed, after PERDURE_DRAIN at the latest. */
  private whenClosed(isEnough: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(patience);
        this.onClosed.delete(look);
        resolve();
      };
      const look = () => (isEnough() ? done() : undefined);
      const patience = setTimeout(done, this.config.drainMs);
      this.onClosed.add(look);
      look();
    });
  }

  private takeStream(): void {
    const { maxStreams } = this.config;
    if (this.streams >= maxStreams) {
      const message = `All ${maxStreams} streams of this server are in use; try again later`;
      throw new A2AError('RESOURCE_EXHAUSTED', { message, retryAfterMs: 1_000 });
    }
    this.streams++;
  }

  /** Counts one call as pending; the function that it gives ends that, once. */
  private work(): () => void {
    let isPending = true;
    this.working++;
    return () => {
      if (isPending) this.working--;
      isPending = false;
    };
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

  private leave(kind: CallKind, controller: AbortController): void {
    this.calls--;
    if (kind === 'stream') {
      this.streams--;
      this.streaming.delete(controller);
    }
    for (const look of this.onClosed) look();
  }
}

function shuttingDown(): A2AError {
  return new A2AError('UNAVAILABLE', { message: 'The server is shutting down; try again', retryAfterMs: 1_000 });
}
