import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' };

/** The addresses of a name, in both families: none means NXDOMAIN, undefined that nothing is answered. */
export type Zone = (name: string, type: 'A' | 'AAAA') => readonly string[] | undefined;

/** A DNS server on this machine that answers as a test says, with a time to live of 0. */
export class NameServer {
  /** What was asked, as `A name`. */
  readonly questions: string[] = [];

  private constructor(
    private readonly socket: Socket,
    public zone: Zone,
  ) {
    socket.on('message', (query, from) => this.answer(query, from));
  }

  static async start(zone: Zone): Promise<NameServer> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new NameServer(socket, zone);
  }

  /** As a resolver's `setServers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  async stop(): Promise<void> {
    this.socket.close();
    await once(this.socket, 'close');
  }

  private answer(query: Buffer, { port, address }: RemoteInfo): void {
    const { name, end } = nameAt(query, 12);
    const type = TYPES[query.readUInt16BE(end)]!;
    this.questions.push(`${type} ${name}`);
    const found = this.zone(name, type);
    if (!found) return;
    const records = found.filter((text) => isIPv6(text) === (type === 'AAAA')).map(recordOf);
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(found.length === 0 ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    this.socket.send(Buffer.concat([head, query.subarray(12, end + 4), ...records]), port, address);
  }
}

function nameAt(query: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

/** A record of the question's name: a pointer to it, type, class IN, time to live 0, and the address. */
function recordOf(address: string): Buffer {
  const data = isIPv6(address) ? v6Bytes(address) : Buffer.from(address.split('.').map(Number));
  const type = data.length === 16 ? 28 : 1;
  return Buffer.concat([Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]), data]);
}

function v6Bytes(address: string): Buffer {
  // The parser of URLs writes what is IPv4 inside as groups.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [left = '', right] = plain.split('::');
  const groups = (text = '') => text.split(':').filter(Boolean);
  const missing = 8 - groups(left).length - groups(right).length;
  const all =
    right === undefined ? groups(left) : [...groups(left), ...Array<string>(missing).fill('0'), ...groups(right)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
