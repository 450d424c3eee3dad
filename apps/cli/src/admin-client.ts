import { Agent, fetch, type Response } from 'undici';
import { CallRefusedError, connectionReason, TransportError } from './call-error.js';
import { CliError } from './cli-error.js';

/** An action on many tasks takes its time. */
const TIMEOUT_MS = 120_000;
const SHOWN_CHARACTERS = 200;
const agent = new Agent({ headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });

/** Fields of a query; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Refusal {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly details?: unknown;
}

/** What a server has for its operators: below `/admin/v1`, about tasks or webhooks. Methods reject with a CliError that says what is wrong. */
export class AdminClient {
  private constructor(private readonly url: string) {}

  /** About tasks, of the server that a URL names: its own, an agent's, a tenant's or a card's. */
  static at(url: string): AdminClient {
    return new AdminClient(`${originOf(url)}/admin/v1/tasks`);
  }

  /** The same about webhooks. */
  static ofWebhooks(url: string): AdminClient {
    return new AdminClient(`${originOf(url)}/admin/v1/webhooks`);
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(
      given.map(([name, value]) => [name, String(value)] as [string, string]),
    ).toString();
    return this.call<T>(`${this.url}${path}${text === '' ? '' : `?${text}`}`, { method: 'GET' });
  }

  post<T>(path: string, body: object): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    return this.call<T>(`${this.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  private async call<T>(url: string, init: { method: string; headers?: Record<string, string>; body?: string }) {
    try {
      const response = await fetch(url, { ...init, dispatcher: agent, redirect: 'manual' });
      return answerOf<T>(response, await response.text());
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw new TransportError(`No answer from ${this.url}: ${connectionReason(error)}.`, true, { cause: error });
    }
  }
}

function originOf(url: string): string {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base && /^https?:$/.test(base.protocol)) return base.origin;
  throw new CliError(`"${url}" is not a URL of a server: it starts with http:// or https://`);
}

function answerOf<T>(response: Response, text: string): T {
  const json = jsonOf(text);
  if (response.ok && json !== undefined) return json as T;
  const { code, message, details } = (json as { error?: Refusal } | undefined)?.error ?? {};
  if (typeof message === 'string' && response.status !== 404) throw refusal(code, message, details);
  if (typeof message === 'string' && Array.isArray(details)) throw refusal(code, message, details);
  if (response.status === 404) {
    throw new CliError(
      `There is nothing for operators at ${response.url}: is it a Perdure server, and is PERDURE_ADMIN on? (Beside PUBLIC_URL it has to be set.)`,
    );
  }
  throw new CliError(`${response.url} answered HTTP ${response.status}: ${text.trim().slice(0, SHOWN_CHARACTERS)}`);
}

function refusal(code: unknown, message: string, details: unknown): CallRefusedError {
  return new CallRefusedError(Number(code), message, Array.isArray(details) ? details : []);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
