import { Agent, fetch, Headers, type RequestInit, type Response } from 'undici';
import { type Config } from '#platform';
import { PeerError } from './peer.js';

/** Statuses that say nothing about the call: the peer, or what stands before it, is busy, restarting or overloaded. */
const PASSING = [408, 425, 429];
/** A stream that has been silent for so long is taken for dead. */
const SILENCE_MS = 120_000;
const EVENT_STREAM = 'text/event-stream';

type WireConfig = Pick<Config, 'peers' | 'peerTimeoutMs' | 'peerResponseBytes'>;

/**
 * HTTP to agents that nobody here vouches for: bounded in time and size, to origins that are allowed, without redirects.
 * Everything fails with a PeerError.
 */
export class PeerWire {
  private readonly dispatcher: Agent;

  constructor(private readonly config: WireConfig) {
    const { peerTimeoutMs } = config;
    this.dispatcher = new Agent({
      connect: { timeout: peerTimeoutMs },
      headersTimeout: peerTimeoutMs,
      bodyTimeout: SILENCE_MS,
    });
  }

  /** What the SDK's client calls in place of `fetch`, for a peer whose card is at `card`. */
  fetchFor(card: URL): typeof globalThis.fetch {
    const call = (url: string | URL, init: RequestInit = {}) => this.call(card, new URL(url), init);
    return call as unknown as typeof globalThis.fetch;
  }

  /** Whether a peer with that card may have us call `url`. */
  allows(card: URL, url: URL): boolean {
    const { peers } = this.config;
    return peers.length > 0 ? peers.includes(url.origin) : url.origin === card.origin;
  }

  async stop(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private async call(card: URL, url: URL, init: RequestInit): Promise<Response> {
    this.assertAllowed(card, url);
    const isStream = new Headers(init.headers).get('accept') === EVENT_STREAM;
    const limits = [init.signal, isStream ? undefined : AbortSignal.timeout(this.config.peerTimeoutMs)];
    const signal = AbortSignal.any(limits.filter((limit) => limit instanceof AbortSignal));
    try {
      const response = await fetch(url, { ...init, signal, redirect: 'manual', dispatcher: this.dispatcher });
      await assertUsable(url, response);
      return await (isStream && response.ok ? this.boundedStream(url, response) : this.whole(url, response));
    } catch (error) {
      if (error instanceof PeerError) throw error;
      throw new PeerError('unreachable', `no answer from ${url.origin}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** A peer's card is the peer's word: what it names may be anything, this machine's neighbours too. */
  private assertAllowed(card: URL, url: URL): void {
    const { peers } = this.config;
    if (this.allows(card, url)) return;
    const rule = peers.length > 0 ? 'is none of PERDURE_PEERS' : `is not that of its card; PERDURE_PEERS may allow it`;
    throw new PeerError('refused', `the origin ${url.origin} ${rule}`);
  }

  private async whole(url: URL, response: Response): Promise<Response> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.bounded(url, response)) chunks.push(chunk);
    const { status, statusText, headers } = response;
    const body = [204, 205, 304].includes(status) ? null : Buffer.concat(chunks);
    return new globalThis.Response(body, { status, statusText, headers: [...headers] }) as unknown as Response;
  }

  private boundedStream(url: URL, response: Response): Response {
    const body = ReadableStream.from<Uint8Array>(this.bounded(url, response));
    const { status, headers } = response;
    return new globalThis.Response(body, { status, headers: [...headers] }) as unknown as Response;
  }

  private async *bounded(url: URL, { body }: Response): AsyncGenerator<Uint8Array> {
    const { peerResponseBytes } = this.config;
    let bytes = 0;
    for await (const chunk of body ?? []) {
      const part = chunk as Uint8Array;
      bytes += part.byteLength;
      if (bytes > peerResponseBytes) {
        const fact = `answers with more than ${peerResponseBytes} bytes; that is the limit (PERDURE_PEER_MAX_RESPONSE)`;
        throw new PeerError('invalid', `${url.origin} ${fact}`);
      }
      yield part;
    }
  }
}

async function assertUsable({ origin }: URL, { status, body }: Response): Promise<void> {
  const isPassing = status >= 500 || PASSING.includes(status);
  const isRefusal = (status >= 300 && status < 400) || status === 401 || status === 403;
  if (!isPassing && !isRefusal) return;
  await body?.cancel();
  throw new PeerError(isPassing ? 'unreachable' : 'refused', `${origin} answers ${status}`);
}

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  const reason = cause instanceof Error ? cause : error;
  return reason instanceof Error ? reason.message : String(reason);
}
