import { type Socket } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '#platform';
import { A2AError } from '#protocol';

/** One answer, or a stream of them. */
export type CallKind = 'unary' | 'stream';

/** One call that is being answered. Its signal aborts when the connection closes or the server shuts down. */
export class Call {
  constructor(
    readonly kind: CallKind,
    private readonly connection: AbortController,
    private readonly onClose: (call: Call) => void,
  ) {}

  get signal(): AbortSignal {
    return this.connection.signal;
  }

  /** Ends every call of the connection. */
  abort(reason: A2AError): void {
    this.connection.abort(reason);
  }

  /** To be called once the answer is written, whatever became of it. */
  close(): void {
    this.onClose(this);
  }
}

/** One controller for all calls of a connection: making one for each call costs more than the rest of its entry. */
const connections = new WeakMap<Socket, AbortController>();

function controllerOf(connection: Socket): AbortController {
  let controller = connections.get(connection);
  if (!controller) {
    const made = (controller = new AbortController());
    connections.set(connection, made);
    connection.once('close', () => made.abort());
    if (connection.destroyed) made.abort();
  }
  return controller;
}

/** The calls that this process is answering: bounds its streams, and ends them all when the server shuts down. */
@Injectable()
export class OpenCalls {
  private readonly open = new Set<Call>();
  private streams = 0;
  private taking = true;
  private drained: Promise<void> | undefined;
  private lastCallClosed: (() => void) | undefined;

  constructor(@Inject(CONFIG) private readonly config: Pick<Config, 'maxStreams' | 'drainMs'>) {}

  /** Whether the server is shutting down: no new call is taken. */
  get draining(): boolean {
    return !this.taking;
  }

  /** Refuses new calls from now on; those that are open go on. */
  stopTaking(): void {
    this.taking = false;
  }

  /** Takes a call. Throws A2AError UNAVAILABLE while draining and RESOURCE_EXHAUSTED when all streams are in use. */
  enter(kind: CallKind, connection: Socket): Call {
    if (this.draining) throw shuttingDown();
    if (kind === 'stream') this.takeStream();
    const call = new Call(kind, controllerOf(connection), (closed) => this.leave(closed));
    this.open.add(call);
    return call;
  }

  /**
   * Ends every open call: streams get a last comment, so that clients connect again elsewhere; other calls answer with what
   * they have. Resolves when all have been answered, after PERDURE_DRAIN at the latest. Call it before the app is closed.
   */
  drain(): Promise<void> {
    this.stopTaking();
    return (this.drained ??= this.endAll());
  }

  private async endAll(): Promise<void> {
    if (this.open.size === 0) return;
    const closed = new Promise<void>((resolve) => (this.lastCallClosed = resolve));
    const patience = setTimeout(() => this.lastCallClosed?.(), this.config.drainMs);
    for (const call of this.open) call.abort(shuttingDown());
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

  private leave(call: Call): void {
    if (!this.open.delete(call)) return;
    if (call.kind === 'stream') this.streams--;
    if (this.open.size === 0) this.lastCallClosed?.();
  }
}

function shuttingDown(): A2AError {
  return new A2AError('UNAVAILABLE', { message: 'The server is shutting down; try again', retryAfterMs: 1_000 });
}
