import { once } from 'node:events';
import { connect } from 'node:net';

const IDLE_LIMIT_MS = 60_000;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * One HTTP/1.1 connection, one request at a time, as bare as it can be: the load generator shares its cores with the
 * server that it measures. Bodies come with a length or chunked. Times are those of `performance.now()`.
 */
export class KeepAliveConnection {
  #socket;
  #received = Buffer.alloc(0);
  #response;
  #settle;

  static async open(port) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new KeepAliveConnection(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.setTimeout(IDLE_LIMIT_MS, () => socket.destroy(new Error(`no answer within ${IDLE_LIMIT_MS} ms`)));
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  /**
   * Sends a whole request. Resolves to `{ status, retryAfter, body, sentAt, firstAt, endedAt }`; `firstAt`: first byte of the
   * body, when `onFirst` is called.
   */
  send(request, onFirst = () => undefined) {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject, onFirst };
      this.#response = { sentAt: performance.now(), head: undefined, firstAt: undefined, pieces: [] };
      this.#socket.write(request);
    });
  }

  /** Sends a whole request, and never reads what comes of it. */
  ignore(request) {
    this.#socket.setTimeout(0).pause();
    this.#socket.write(request);
  }

  close() {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #take(bytes) {
    if (!this.#settle) return;
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const response = this.#response;
    response.head ??= this.#takeHead();
    if (!response.head || this.#received.length === 0) return;
    if (response.firstAt === undefined) {
      response.firstAt = performance.now();
      this.#settle.onFirst();
    }
    const ended = response.head.length === undefined ? this.#takeChunks() : this.#takeLength(response.head.length);
    if (ended) this.#finish();
  }

  #takeHead() {
    const end = this.#received.indexOf(HEAD_END);
    if (end === -1) return undefined;
    const text = this.#received.latin1Slice(0, end).toLowerCase();
    this.#received = this.#received.subarray(end + HEAD_END.length);
    const length = /\r\ncontent-length: *(\d+)/.exec(text)?.[1];
    const retryAfter = /\r\nretry-after: *(\d+)/.exec(text)?.[1];
    return {
      status: Number(text.slice(9, 12)),
      length: length === undefined ? undefined : Number(length),
      retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
    };
  }

  #takeLength(length) {
    if (this.#received.length < length) return false;
    this.#response.pieces.push(this.#received.subarray(0, length));
    this.#received = this.#received.subarray(length);
    return true;
  }

  /** True when the last chunk, the empty one, is in. */
  #takeChunks() {
    for (;;) {
      const lineEnd = this.#received.indexOf('\r\n');
      if (lineEnd === -1) return false;
      const size = parseInt(this.#received.latin1Slice(0, lineEnd), 16);
      const end = lineEnd + 2 + size;
      if (this.#received.length < end + 2) return false;
      if (size > 0) this.#response.pieces.push(this.#received.subarray(lineEnd + 2, end));
      this.#received = this.#received.subarray(end + 2);
      if (size === 0) return true;
    }
  }

  #finish() {
    const { head, pieces, sentAt, firstAt } = this.#response;
    const { resolve } = this.#settle;
    this.#settle = undefined;
    const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    const { status, retryAfter } = head;
    resolve({ status, retryAfter, body: body.toString('utf8'), sentAt, firstAt, endedAt: performance.now() });
  }

  #fail(error) {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
