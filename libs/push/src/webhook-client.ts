import { Agent, type Dispatcher } from 'undici';
import { AddressGuard, type Config, headerValueProblem, isHttpToken } from '#platform';
import { GuardedConnector } from './guarded-connector.js';
import { dnsResolver, type Resolve } from './host-addresses.js';
import { parseRetryAfter } from './retry-after.js';
import { SendError } from './send-error.js';
import { type Answer, WebhookExchange } from './webhook-exchange.js';
import { proxyDispatcher } from './webhook-proxy.js';

/** One attempt of a delivery. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Ends the attempt: once `send` has rejected, nothing of it is sent any more. */
  readonly signal: AbortSignal;
  /** Asked right before the first byte is written, after a look-up and a connection that may have taken long. */
  readonly isWanted?: () => boolean;
}

/** The answer to an attempt, whatever its status: a redirect is not followed. */
export interface WebhookResponse {
  readonly status: number;
  readonly latencyMs: number;
  /** The body's beginning, up to PERDURE_PUSH_MAX_RESPONSE, as text without control characters but tabs and line ends. */
  readonly response: string;
  /** What the header Retry-After asks for, from now. */
  readonly retryAfterMs?: number;
}

type WebhookClientConfig = Pick<
  Config,
  'pushAllow' | 'pushHttpsOnly' | 'pushProxy' | 'pushConnectTimeoutMs' | 'pushTimeoutMs' | 'pushResponseBytes'
>;

/** Connections are kept for the next attempts, and replaced after a while, so that a host that moves is followed. */
const POOL = { keepAliveTimeout: 4_000, keepAliveMaxTimeout: 30_000, clientTtl: 60_000 };
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_PLACES = 1_000;

/** A URL that may be sent to, as undici takes it. */
interface Place {
  readonly origin: string;
  readonly path: string;
}

/** Posts webhooks to where they may go, bounded in time and size, without redirects. Fails with a {@link SendError}. */
export class WebhookClient {
  private readonly guard: AddressGuard;
  private readonly dispatcher: Dispatcher;
  private readonly places = new Map<string, Place>();

  /** `resolve` gives the addresses of names that the operator has not listed. */
  constructor(
    private readonly config: WebhookClientConfig,
    resolve: Resolve = dnsResolver(config.pushConnectTimeoutMs),
  ) {
    this.guard = new AddressGuard(config);
    this.dispatcher = dispatcherFor(config, this.guard, resolve);
  }

  async send(webhook: WebhookRequest): Promise<WebhookResponse> {
    const begun = performance.now();
    const latency = () => Math.round(performance.now() - begun);
    try {
      assertWritable(webhook.headers);
      const { status, headers, text } = await this.exchange(webhook);
      const [retryAfter = ''] = [headers['retry-after']].flat();
      return { status, latencyMs: latency(), response: text, retryAfterMs: parseRetryAfter(retryAfter, Date.now()) };
    } catch (error) {
      if (!(error instanceof SendError)) throw error;
      throw new SendError(error.code, error.message, { cause: error, latencyMs: latency() });
    }
  }

  /** Closes all connections; attempts under way fail. */
  async stop(): Promise<void> {
    await this.dispatcher.destroy();
  }

  private async exchange(webhook: WebhookRequest): Promise<Answer> {
    const { pushTimeoutMs, pushResponseBytes } = this.config;
    const { url, headers, body, signal, isWanted = () => true } = webhook;
    const place = this.placeOf(url);
    const givenUp = () => new SendError('aborted', 'the attempt was given up');
    const late = () => new SendError('timeout', `no whole answer within ${pushTimeoutMs} ms`);
    if (signal.aborted) throw givenUp();
    const exchange = new WebhookExchange({ maxBytes: pushResponseBytes, isWanted });
    const abort = () => exchange.end(givenUp());
    const timer = setTimeout(() => exchange.end(late()), pushTimeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    try {
      this.dispatcher.dispatch({ ...place, method: 'POST', headers, body }, exchange);
      return await exchange.answer;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** The rules do not change while a process lives, so the URLs in use are checked once. */
  private placeOf(url: string): Place {
    const known = this.places.get(url);
    if (known) return known;
    const problem = this.guard.urlProblem(url);
    if (problem) throw new SendError('refused_address', `the URL ${problem}`);
    const { origin, pathname, search } = new URL(url);
    const place = { origin, path: `${pathname}${search}` };
    this.places.set(url, place);
    const [oldest] = this.places.keys();
    if (this.places.size > MAX_PLACES && oldest !== undefined) this.places.delete(oldest);
    return place;
  }
}

function assertWritable(headers: WebhookRequest['headers']): void {
  for (const [name, value] of Object.entries(headers)) {
    const fact = isHttpToken(name) ? headerValueProblem(value) : 'has a name that no header may have';
    if (fact) throw new SendError('invalid_request', `the header ${JSON.stringify(name)} ${fact}`);
  }
}

function dispatcherFor(config: WebhookClientConfig, guard: AddressGuard, resolve: Resolve): Dispatcher {
  const { pushProxy, pushConnectTimeoutMs, pushTimeoutMs } = config;
  // The attempt ends in time by itself; these are for what a proxy is asked, which goes on without it.
  const times = { headersTimeout: pushTimeoutMs, bodyTimeout: pushTimeoutMs };
  const options = { ...POOL, ...times, maxHeaderSize: MAX_HEADER_BYTES };
  if (pushProxy !== undefined) return proxyDispatcher(pushProxy, pushConnectTimeoutMs, options);
  const { connect } = new GuardedConnector(guard, resolve, pushConnectTimeoutMs);
  return new Agent({ ...options, connect });
}
