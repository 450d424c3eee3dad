import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** What a receiver does with a request, given as it came. */
export type Answer = (socket: Socket, request: string) => void;

/** Answers each request with a status and a text, and keeps the connection. */
export function answering(status: number, text = '', headers: Record<string, string> = {}): Answer {
  const lines = Object.entries({ 'content-length': Buffer.byteLength(text), ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return (socket) => socket.write(`HTTP/1.1 ${status} Status\r\n${head}\r\n${text}`);
}

/** A server below HTTP: it keeps what arrives, counts connections, and answers with any bytes, or with none. */
export class RawReceiver {
  /** Each request with its head and its body. */
  readonly requests: string[] = [];
  /** All that were ever opened. */
  readonly connections: Socket[] = [];
  answer: Answer;

  private constructor(
    private readonly server: Server,
    answer: Answer,
  ) {
    this.answer = answer;
    server.on('secureConnection', (socket: Socket) => this.read(socket));
  }

  static async start(answer: Answer, where: { host?: string; port?: number; tls?: TlsOptions } = {}) {
    const server = where.tls ? createTlsServer(where.tls) : createServer();
    const receiver = new RawReceiver(server, answer);
    server.on('connection', (socket: Socket) => {
      receiver.connections.push(socket.on('error', () => undefined));
      if (!where.tls) receiver.read(socket);
    });
    server.on('tlsClientError', () => undefined);
    server.listen(where.port ?? 0, where.host ?? '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The first connection, once it has come and is closed. */
  async firstClosed(): Promise<Socket> {
    if (this.connections.length === 0) await once(this.server, 'connection');
    const [socket] = this.connections;
    if (!socket!.closed) await new Promise((done) => socket!.once('close', done));
    return socket!;
  }

  async stop(): Promise<void> {
    this.connections.forEach((socket) => socket.destroy());
    this.server.close();
    await once(this.server, 'close');
  }

  private read(socket: Socket): void {
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n') + 4;
      const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1] ?? 0);
      if (head < 4 || text.length < head + length) return;
      this.requests.push(text.slice(0, head + length));
      text = text.slice(head + length);
      this.answer(socket, this.requests.at(-1)!);
    });
  }
}
