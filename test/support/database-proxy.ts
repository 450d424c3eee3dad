import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { endTogether } from './end-together.js';
import { Random } from './random.js';

/** `ReadyForQuery`, outside of a transaction: Postgres has committed what was asked, and says so. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

interface Line {
  readonly client: Socket;
  readonly server: Socket;
  /** From the startup packet. */
  application: string;
  /** Answers to pass on before the one that is lost. */
  passed: number;
  /** Called when Postgres has answered the query whose answer is not passed on. */
  loseAnswer?: () => void;
  /** Whether what either side says is dropped, with the connection left open. */
  silent: boolean;
}

/** A TCP proxy in front of Postgres, to break its connections at a chosen moment. */
export class DatabaseProxy {
  private readonly lines = new Set<Line>();
  private readonly kept: Socket[] = [];
  private isRefusing = false;
  private losing: { readonly oneIn: number; readonly random: Random } | undefined;
  /** How many answers `loseAnswers` has lost. */
  lost = 0;

  private constructor(
    private readonly listener: Server,
    /** The database's URL, through the proxy. */
    readonly url: string,
  ) {}

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const target = new URL(databaseUrl);
    const listener = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const proxied = Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) });
    const proxy = new DatabaseProxy(listener, proxied.href);
    listener.on('connection', (client) =>
      proxy.open(client, connect({ port: Number(target.port), host: target.hostname, noDelay: true })),
    );
    return proxy;
  }

  /** How many connections of that application name are open. */
  count(application: string): number {
    return [...this.lines].filter((line) => line.application === application).length;
  }

  /**
   * Lets the application's next statement through (or the one after `others` more) and cuts the connection instead of
   * passing the answer on. Resolves then.
   */
  loseNextAnswer(application: string, others = 0): Promise<void> {
    const line = this.lineOf(application);
    line.passed = others;
    return new Promise((resolve) => (line.loseAnswer = resolve));
  }

  /** From now on cuts, at random, one in so many connections after Postgres has committed and before its answer is passed on; 0 ends it. */
  loseAnswers(oneIn: number, seed = 1): void {
    this.losing = oneIn > 0 ? { oneIn, random: new Random(seed) } : undefined;
  }

  /** Cuts every connection and refuses new ones, until it is called with false. */
  refuse(isRefusing: boolean): void {
    this.isRefusing = isRefusing;
    if (isRefusing) this.cut();
  }

  /** Drops what is said on the application's open connections, or on all, from now on, and leaves them open; new ones work. */
  silence(application?: string): void {
    for (const line of this.lines)
      if (application === undefined || line.application === application) line.silent = true;
  }

  /** Cuts the application's side alone: Postgres does not notice, as with a line that has died. */
  loseClientSide(application: string): void {
    const line = this.lineOf(application);
    this.lines.delete(line);
    this.kept.push(line.server);
    line.server.removeAllListeners('data').resume();
    line.client.removeAllListeners('close').destroy();
  }

  /** Cuts every connection; new ones are taken. */
  cut(): void {
    for (const { client, server } of this.lines) [client, server].forEach((socket) => socket.destroy());
  }

  /** Takes the database away: cuts every connection and refuses new ones. */
  async close(): Promise<void> {
    const closed = once(this.listener, 'close');
    this.listener.close();
    this.cut();
    for (const socket of this.kept) socket.destroy();
    await closed;
  }

  private lineOf(application: string): Line {
    const line = [...this.lines].find((each) => each.application === application);
    if (!line) throw new Error(`no connection of ${application} is open`);
    return line;
  }

  private open(client: Socket, server: Socket): void {
    if (this.isRefusing) {
      client.destroy();
      server.destroy();
      return;
    }
    const line: Line = { client, server, application: '', passed: 0, silent: false };
    this.lines.add(line);
    client.on('data', (data) => {
      line.application ||= /application_name\0([^\0]*)\0/.exec(data.toString('latin1'))?.[1] ?? '';
      if (!line.silent) server.write(data);
    });
    server.on('data', (data) => this.answer(line, data));
    endTogether(client, server, () => this.lines.delete(line));
  }

  private answer(line: Line, data: Buffer): void {
    const { client, server, loseAnswer } = line;
    if (line.silent) return;
    const isWhole = data.subarray(-READY.length).equals(READY);
    if (isWhole && this.losing?.random.below(this.losing.oneIn) === 0) {
      this.lost++;
      client.destroy();
      server.destroy();
      return;
    }
    if (!loseAnswer || line.passed > 0) {
      if (loseAnswer && isWhole) line.passed--;
      return void client.write(data);
    }
    if (!isWhole) return;
    client.destroy();
    server.destroy();
    loseAnswer();
  }
}
