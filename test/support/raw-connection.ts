import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

const ESTABLISHED = '01';

/** A connection that is handled by hand: it sends what it is told, and reads when it is told. */
export class RawConnection {
  private constructor(
    private readonly socket: Socket,
    private readonly serverPort: number,
  ) {}

  /** Connects and posts JSON; reads nothing of the answer. */
  static async post(url: string, json: unknown, headers: Record<string, string> = {}): Promise<RawConnection> {
    const { hostname, port, pathname, host } = new URL(url);
    const socket = connect(Number(port), hostname).pause();
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    const body = JSON.stringify(json);
    const all = { host, 'a2a-version': '1.0', 'content-type': 'application/json', connection: 'close', ...headers };
    const lines = Object.entries({ ...all, 'content-length': Buffer.byteLength(body) });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`POST ${pathname} HTTP/1.1\r\n${head}\r\n${body}`);
    return new RawConnection(socket, Number(port));
  }

  /** Whether the server still holds its end. The end here hears of it only once it has read all that was sent. */
  get isHeldByServer(): boolean {
    const [server, client] = [this.serverPort, this.socket.localPort!].map(hexPort);
    const line = new RegExp(`^ *\\d+: [0-9A-F]{8}:${server} [0-9A-F]{8}:${client} (..) `, 'm');
    return line.exec(readFileSync('/proc/net/tcp', 'latin1'))?.[1] === ESTABLISHED;
  }

  /** Reads to the end of the connection. */
  async read(): Promise<string> {
    const chunks: Buffer[] = [];
    this.socket.on('data', (chunk) => chunks.push(chunk)).resume();
    if (!this.socket.closed) await once(this.socket, 'close');
    return Buffer.concat(chunks).toString('utf8');
  }

  /** Hangs up, without a farewell where that is possible. */
  async hangUp(): Promise<void> {
    this.socket.resetAndDestroy();
    await setImmediate();
  }
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
