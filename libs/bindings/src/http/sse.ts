import { type ServerResponse } from 'node:http';
import { type Config } from '#platform';
import { type EventPull } from '../event-pull.js';

/** How long, on average, readers of a stream that ends with its server wait before they connect again. */
const RECONNECT_MS = 1_000;
/** Of a long event, so much is written at a time: a reader on a slow line that takes it bit by bit is not one that takes nothing. */
const PIECE_BYTES = 64 * 1024;

/** One event on the wire; `data` is one line. */
export interface SseEvent {
  readonly id?: number;
  readonly event?: 'error';
  readonly data: string;
}

/** How a binding writes the events of a stream, and the failure that ends it. */
export interface SseFormat<T> {
  event(item: T): SseEvent;
  failure(error: unknown): SseEvent;
}

/**
 * Writes all items until the stream ends, fails, or the caller is gone. It never throws, never runs ahead
 * of the reader, and always ends the response; when the server shuts down, behind a whole event, with a comment that says so
 * and when to connect again.
 */
export async function writeEvents<T>(sse: SseResponse, events: EventPull<T>, format: SseFormat<T>): Promise<void> {
  try {
    while (await writeNext(sse, events, format));
  } catch (error) {
    if (!events.interrupted) await sse.send(format.failure(error));
  } finally {
    events.close();
    sse.end(events.interrupted ? goodbye() : undefined);
  }
}

/** False at the end. A function of its own, so that no item is held while the next one is waited for. */
async function writeNext<T>(sse: SseResponse, events: EventPull<T>, format: SseFormat<T>): Promise<boolean> {
  const item = await events.next();
  if (item === undefined || sse.gone) return false;
  await sse.send(format.event(item));
  return true;
}

/** The response of an open stream: frames, comments while nothing happens, and an end for readers that take nothing. */
export class SseResponse {
  private readonly keepAlive: NodeJS.Timeout;
  private stall: NodeJS.Timeout | undefined;
  private resume: (() => void) | undefined;

  /** Sends the headers; from here on nothing but the stream can be said. */
  constructor(
    private readonly response: ServerResponse,
    private readonly limits: Pick<Config, 'keepAliveMs' | 'streamStallMs'>,
    headers: Record<string, string> = {},
  ) {
    this.keepAlive = setInterval(() => this.comment('keep-alive'), limits.keepAliveMs);
    response.on('drain', () => this.flushed());
    response.on('close', () => this.stop());
    // The stream outlives a peer that resets the connection in the middle of a write; `close` says so.
    response.on('error', () => undefined);
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
  }

  /** Whether the connection is closed, or given up. */
  get gone(): boolean {
    return this.response.destroyed;
  }

  /** Writes one event; resolves when the reader keeps up, or is gone. */
  async send(event: SseEvent): Promise<void> {
    const text = frame(event);
    if (text.length <= PIECE_BYTES) return this.put(text);
    const bytes = Buffer.from(text);
    for (let start = 0; start < bytes.length && !this.gone; start += PIECE_BYTES) {
      await this.put(bytes.subarray(start, start + PIECE_BYTES));
    }
  }

  /** Ends the response, after last words if there are any. */
  end(words = ''): void {
    clearInterval(this.keepAlive);
    if (this.gone) return;
    this.watchForStall();
    this.response.end(words);
  }

  private comment(text: string): void {
    if (!this.response.writableNeedDrain) this.write(`: ${text}\n\n`);
  }

  private async put(piece: string | Uint8Array): Promise<void> {
    this.write(piece);
    if (this.response.writableNeedDrain && !this.gone) {
      await new Promise<void>((resolve) => (this.resume = resolve));
    }
  }

  private write(piece: string | Uint8Array): void {
    if (this.gone) return;
    this.keepAlive.refresh();
    if (!this.response.write(piece)) this.watchForStall();
  }

  private watchForStall(): void {
    this.stall ??= setTimeout(() => this.response.destroy(), this.limits.streamStallMs);
  }

  private flushed(): void {
    clearTimeout(this.stall);
    this.stall = undefined;
    this.resume?.();
  }

  private stop(): void {
    clearInterval(this.keepAlive);
    this.flushed();
  }
}

/** What a stream ends with that its reader should take up again: the pause before it, so that not all come back at once. */
function goodbye(): string {
  const pauseMs = RECONNECT_MS / 2 + Math.floor(Math.random() * RECONNECT_MS);
  return `retry: ${pauseMs}\n: server is shutting down\n\n`;
}

function frame({ id, event, data }: SseEvent): string {
  const head = (id === undefined ? '' : `id: ${id}\n`) + (event === undefined ? '' : `event: ${event}\n`);
  return `${head}data: ${data}\n\n`;
}
