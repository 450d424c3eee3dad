import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** When the line is cut: before a matching request reaches the server, or once the server answers one. */
export type CutAt = 'request' | 'answer';

/** A TCP proxy in front of a server, which loses one request, or the answer to it. */
export class LineCutter {
  private readonly sockets = new Set<Socket>();
  private cut: { readonly at: CutAt; readonly request: RegExp; readonly done: () => void } | undefined;

  private constructor(
    private readonly listener: Server,
    private readonly port: number,
  ) {
    listener.on('connection', (client) => this.pass(client, connect(this.port, '127.0.0.1')));
  }

  /** @param port where the server listens, now or later. */
  static async start(port: number): Promise<LineCutter> {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new LineCutter(listener, port);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.listener.address() as AddressInfo).port}`;
  }

  /** Cuts the line of the next request that matches; `whenCut` is called at that moment. */
  cutNext(at: CutAt, request: RegExp, whenCut: () => void): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.cut = undefined;
        whenCut();
        resolve();
      };
      this.cut = { at, request, done };
    });
  }

  async close(): Promise<void> {
    this.listener.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.listener, 'close');
  }

  private pass(client: Socket, server: Socket): void {
    let isMatched = false;
    const lose = () => {
      this.cut?.done();
      client.destroy();
    };
    client.on('data', (data) => {
      isMatched ||= this.cut?.request.test(data.toString('latin1')) ?? false;
      if (isMatched && this.cut?.at === 'request') return lose();
      server.write(data);
    });
    server.on('data', (data) => {
      if (isMatched && this.cut?.at === 'answer') return lose();
      client.write(data);
    });
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
  }
}
