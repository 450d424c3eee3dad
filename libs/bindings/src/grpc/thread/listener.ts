import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as SocketServer, type Socket } from 'node:net';
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js';
import { type ThreadSettings } from '../thread-messages.js';

/** At a stop everything has been answered; how long slow readers may take to take it. */
const CLOSE_MS = 2_000;
/** The longest time of a timer: what the calls on a connection may take is not for their connection to say. */
const UNBOUNDED_MS = 2 ** 31 - 1;

/** Takes the connections of a gRPC server. A listener of our own tells why it cannot listen, and what connects to it can be ended for certain. */
export class Listener {
  private readonly sockets = new Set<Socket>();
  private readonly connections: ConnectionInjector;
  private readonly listener: SocketServer;

  constructor(server: Server, { tls }: Pick<ThreadSettings, 'tls'>) {
    this.connections = server.createConnectionInjector(credentials(tls));
    this.listener = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket.once('close', () => this.sockets.delete(socket)));
      this.connections.injectConnection(socket);
    });
  }

  /** Resolves to the port. Rejects with the error of `listen` where the address cannot be used. */
  async listen(port: number, host: string): Promise<number> {
    this.listener.listen(port, host);
    await once(this.listener, 'listening');
    return (this.listener.address() as AddressInfo).port;
  }

  /** GOAWAY: clients take their next call to another connection, perhaps to another server; open calls go on where they are. */
  leave(): void {
    this.connections.drain(UNBOUNDED_MS);
  }

  /** Closes every connection when its client has taken what was written, or soon. */
  async close(): Promise<void> {
    if (!this.listener.listening) return;
    const closed = once(this.listener, 'close');
    this.listener.close();
    this.connections.destroy();
    const patience = setTimeout(() => this.sockets.forEach((socket) => socket.destroy()), CLOSE_MS);
    await closed;
    clearTimeout(patience);
  }
}

/** TLS where a certificate is set, mutual TLS where the authorities of clients are set as well, else plain text. */
function credentials(tls: ThreadSettings['tls']): ServerCredentials {
  if (!tls) return ServerCredentials.createInsecure();
  const { certificate, key, clientCa } = tls;
  return ServerCredentials.createSsl(
    clientCa ? Buffer.from(clientCa) : null,
    [{ cert_chain: Buffer.from(certificate), private_key: Buffer.from(key) }],
    clientCa !== undefined,
  );
}
