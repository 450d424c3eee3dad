import { once } from 'node:events';
import { connect } from 'node:net';

const IDLE_LIMIT_MS = 60_000;
const READ_BYTES = 16 * 1024;
/** A message stands behind a byte for compression and four for its length. */
const PREFIX = 5;
/** A frame's head: length (3 bytes), type, flags, stream (RFC 9113, section 4.1). */
const HEAD = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;

const FIRST_WINDOW = 65_535;
const MAX_WINDOW = 2 ** 31 - 1;
/** No table of headers, so that equal headers are equal bytes; no push; windows that last for a whole run. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(SETTINGS, 0, Buffer.concat([setting(1, 0), setting(2, 0), setting(4, MAX_WINDOW)])),
  frame(WINDOW_UPDATE, 0, uint32(MAX_WINDOW - FIRST_WINDOW)),
]);
/** The name `grpc-status` in the Huffman code of HPACK, behind its length. The value of one or two digits is not shorter in it, and stands there as it is. */
const STATUS_NAME = Buffer.from('889acac8b21234da8f', 'hex');

/**
 * One HTTP/2 connection that speaks gRPC, one unary call at a time, as bare as `KeepAliveConnection`: the load generator shares
 * its cores with the server that it measures. Knows what a gRPC server sends, and fails at anything else. Times are those of
 * `performance.now()`.
 */
export class GrpcConnection {
  #socket;
  #received = Buffer.alloc(0);
  #templates = new Map();
  #lastStream = -1;
  /** Bytes of DATA that the server still takes. */
  #window = FIRST_WINDOW;
  #answer;
  #settle;

  static async open(port) {
    const connection = new GrpcConnection(port);
    await once(connection.#socket, 'connect');
    return connection;
  }

  constructor(port) {
    // What is read goes through one buffer: an answer comes in several pieces, and each would have a large one of its own.
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (length, bytes) => this.#take(Buffer.from(bytes.subarray(0, length))),
    };
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.#socket = socket;
    socket.setTimeout(IDLE_LIMIT_MS, () => socket.destroy(new Error(`no answer within ${IDLE_LIMIT_MS} ms`)));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
    socket.write(PREFACE);
  }

  /** Sends a call, `{ path, bytes }`. Resolves to `{ status, bytes, sentAt, endedAt }`; `status` is that of gRPC. */
  send({ path, bytes }) {
    return new Promise((resolve, reject) => {
      const length = PREFIX + bytes.length;
      this.#window -= length;
      if (this.#window < 0 || length > FIRST_WINDOW) throw new Error('the server takes no more bytes');
      this.#settle = { resolve, reject };
      this.#answer = { sentAt: performance.now(), pieces: [] };
      this.#socket.write(this.#requestOf(path, bytes));
    });
  }

  close() {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  /** HEADERS and DATA of the next stream. */
  #requestOf(path, bytes) {
    if (!this.#templates.has(path)) this.#templates.set(path, requestTemplate(path));
    const template = this.#templates.get(path);
    const request = Buffer.concat([template, bytes]);
    const data = template.length - PREFIX - HEAD;
    this.#lastStream += 2;
    request.writeUInt32BE(this.#lastStream, 5);
    request.writeUIntBE(PREFIX + bytes.length, data, 3);
    request.writeUInt32BE(this.#lastStream, data + 5);
    request.writeUInt32BE(bytes.length, data + HEAD + 1);
    return request;
  }

  #take(bytes) {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    try {
      while (this.#takeFrame());
    } catch (error) {
      this.#fail(error);
      this.#socket.destroy();
    }
  }

  /** False where the frame is not whole yet. */
  #takeFrame() {
    const received = this.#received;
    if (received.length < HEAD) return false;
    const end = HEAD + received.readUIntBE(0, 3);
    if (received.length < end) return false;
    this.#received = received.subarray(end);
    this.#heed(received[3], received[4], received.readUInt32BE(5), received.subarray(HEAD, end));
    return true;
  }

  #heed(type, flags, stream, payload) {
    if (type === DATA) this.#answer.pieces.push(payload);
    else if (type === HEADERS && flags === (END_HEADERS | END_STREAM)) this.#finish(payload);
    else if (type === WINDOW_UPDATE) this.#window += stream === 0 ? payload.readUInt32BE() : 0;
    else if (type === SETTINGS || type === PING) this.#acknowledge(type, flags, payload);
    else if (type === GOAWAY) throw new Error(`the server says goodbye, with error ${payload.readUInt32BE(4)}`);
    else if (type === RST_STREAM) throw new Error(`the server ends the call, with error ${payload.readUInt32BE()}`);
    else if (type !== HEADERS || flags !== END_HEADERS) throw new Error(`a frame of type ${type} with flags ${flags}`);
  }

  #acknowledge(type, flags, payload) {
    if (flags === 0) this.#socket.write(frame(type, ACK, type === PING ? payload : Buffer.alloc(0)));
  }

  #finish(trailers) {
    const { sentAt, pieces } = this.#answer;
    const { resolve } = this.#settle;
    this.#settle = undefined;
    const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    resolve({ status: statusIn(trailers), bytes: body.subarray(PREFIX), sentAt, endedAt: performance.now() });
  }

  #fail(error) {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}

function frame(type, flags, payload) {
  const head = Buffer.alloc(HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  return Buffer.concat([head, payload]);
}

function setting(id, value) {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** HEADERS, and DATA up to the message; without the number of the stream and the lengths of DATA and message. */
function requestTemplate(path) {
  return Buffer.concat([frame(HEADERS, END_HEADERS, requestHead(path)), frame(DATA, END_STREAM, Buffer.alloc(PREFIX))]);
}

/** In HPACK (RFC 7541): two of its static table, then values for names of it, then names and values. Strings of up to 126 bytes. */
function requestHead(path) {
  const text = (value) => [value.length, ...Buffer.from(value)];
  const [methodPost, schemeHttp, authority, pathIs, contentType] = [0x83, 0x86, 0x01, 0x04, [0x0f, 0x10]];
  return Buffer.from([
    ...[methodPost, schemeHttp, authority, ...text('bench'), pathIs, ...text(path)],
    ...[...contentType, ...text('application/grpc'), 0, ...text('te'), ...text('trailers')],
    ...[0, ...text('a2a-version'), ...text('1.0')],
  ]);
}

function statusIn(trailers) {
  const name = trailers.indexOf(STATUS_NAME);
  if (name === -1) throw new Error(`no grpc-status in ${trailers.toString('hex')}`);
  const value = name + STATUS_NAME.length;
  return trailers.latin1Slice(value + 1, value + 1 + trailers[value]);
}
