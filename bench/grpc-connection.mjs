import { once } from 'node:events';
import { connect } from 'node:http2';

const IDLE_LIMIT_MS = 60_000;
/** A message on the wire stands behind a byte for compression and four for its length. */
const PREFIX = 5;

/**
 * One HTTP/2 connection that speaks gRPC, one unary call at a time, as bare as `KeepAliveConnection`: the load generator shares
 * its cores with the server that it measures. Times are those of `performance.now()`.
 */
export class GrpcConnection {
  #session;

  static async open(port) {
    const session = connect(`http://127.0.0.1:${port}`);
    await once(session, 'connect');
    return new GrpcConnection(session);
  }

  constructor(session) {
    this.#session = session;
    session.setTimeout(IDLE_LIMIT_MS, () => session.destroy(new Error(`no answer within ${IDLE_LIMIT_MS} ms`)));
    session.on('error', () => undefined);
  }

  /** Sends a call, `{ path, bytes }`. Resolves to `{ status, bytes, sentAt, firstAt, endedAt }`; `status` is that of gRPC. */
  send({ path, bytes }) {
    return new Promise((resolve, reject) => {
      const sentAt = performance.now();
      const call = this.#session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'a2a-version': '1.0',
      });
      const answer = { status: undefined, bytes: undefined, sentAt, firstAt: undefined, endedAt: undefined };
      const pieces = [];
      const take = (headers) => (answer.status ??= headers['grpc-status']);
      call.on('response', take).on('trailers', take);
      call.on('data', (piece) => {
        answer.firstAt ??= performance.now();
        pieces.push(piece);
      });
      call.on('error', reject);
      call.on('close', () => {
        const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
        resolve({ ...answer, bytes: body.subarray(PREFIX), endedAt: performance.now() });
      });
      const prefix = Buffer.alloc(PREFIX);
      prefix.writeUInt32BE(bytes.length, 1);
      call.end(Buffer.concat([prefix, bytes]));
    });
  }

  close() {
    this.#session.destroy();
  }
}
