import { type IncomingHttpHeaders } from 'node:http';
import { type Dispatcher } from 'undici';
import { SendError, type SendErrorCode } from './send-error.js';

/** What a receiver has answered. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body's beginning, as text without control characters but tabs and line ends. */
  readonly text: string;
}

interface ExchangeTerms {
  /** Most bytes of the body that are read; where there are more, the connection is closed. */
  readonly maxBytes: number;
  /** Asked right before the first byte is written: whether the request may still go out. */
  readonly isWanted: () => boolean;
}

type Controller = Dispatcher.DispatchController;

/** One request on its way, as undici tells of it. `answer` rejects with a SendError. */
export class WebhookExchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<Answer>;
  private resolve!: (answer: Answer) => void;
  private reject!: (error: SendError) => void;
  private controller?: Controller;
  private ending?: SendError;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;

  constructor(private readonly terms: ExchangeTerms) {
    this.answer = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
  }

  /** Gives it up: at once for who waits, and nothing more is written, also where its connection is not there yet. */
  end(reason: SendError): void {
    this.ending ??= reason;
    this.reject(reason);
    this.controller?.abort(reason);
  }

  onRequestStart(controller: Controller): void {
    const unwanted = this.terms.isWanted()
      ? undefined
      : new SendError('aborted', 'its time was over before it was sent');
    this.controller = controller;
    this.ending ??= unwanted;
    if (this.ending) controller.abort(this.ending);
  }

  /** Called for answers before the final one (1xx) too. */
  onResponseStart(_controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseData(controller: Controller, chunk: Uint8Array): void {
    this.chunks.push(chunk.subarray(0, Math.max(0, this.terms.maxBytes - this.bytes)));
    this.bytes += chunk.byteLength;
    if (this.bytes <= this.terms.maxBytes) return;
    this.onResponseEnd();
    controller.abort(new SendError('bad_response', 'the answer is longer than what is read of it'));
  }

  onResponseEnd(): void {
    const isCut = this.bytes > this.terms.maxBytes;
    this.resolve({ status: this.status, headers: this.headers, text: textOf(Buffer.concat(this.chunks), isCut) });
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.reject(sendErrorOf(error));
  }
}

function textOf(bytes: Uint8Array, isCut: boolean): string {
  // A character that the cut goes through is left out.
  const text = new TextDecoder().decode(bytes, { stream: isCut });
  return text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, '\ufffd');
}

function sendErrorOf(error: Error & { code?: string }): SendError {
  if (error instanceof SendError) return error;
  const { code = '', name, message } = error;
  const denial = /^Proxy response \((\d+)\)|^Proxy Authentication Required \((407)\)/.exec(message);
  const status = denial?.[1] ?? denial?.[2];
  if (status) return new SendError(status.startsWith('5') ? 'connect' : 'proxy', `the proxy answers ${status}`);
  const isOdd = name === 'HTTPParserError' || (code === 'UND_ERR_SOCKET' && message.startsWith('bad '));
  const kind = isOdd ? 'bad_response' : (CODES[code] ?? (TLS_CODE.test(code) ? 'tls' : 'closed'));
  const [fact = ''] = message.split('\n');
  return new SendError(kind, kind === 'bad_response' ? `the answer is not HTTP/1.1: ${fact}` : fact, { cause: error });
}

/** Of undici's errors, those that are not the end of a connection. A failed assertion of its parser is one of an answer. */
const CODES: Readonly<Record<string, SendErrorCode>> = {
  UND_ERR_INVALID_ARG: 'invalid_request',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'invalid_request',
  UND_ERR_HEADERS_OVERFLOW: 'bad_response',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'bad_response',
  ERR_ASSERTION: 'bad_response',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_PRX_TLS: 'tls',
};

/** What OpenSSL says of a connection behind a proxy; of others the connector knows. */
const TLS_CODE = /CERT|SIGNATURE|^ERR_(SSL|TLS)_|^EPROTO$/;
