import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { endTogether } from './end-together.js';
import { QueryMessages } from './query-messages.js';

/** The two ends of the time between one commit and the next. */
export type Moment = 'its answer is lost' | 'the next one is sent';

/** Strikes at the commit of that number: before its answer is passed on, or in place of passing on the next one that is sent. */
export interface Strike {
  readonly commit: number;
  readonly moment: Moment;
  /** Called at once, in the middle of it all; nothing more of any connection that is open passes. */
  strike(): void;
}

interface Line {
  readonly client: Socket;
  readonly server: Socket;
  readonly queries: QueryMessages;
  /** Between `begin` and `commit`. */
  inTransaction: boolean;
  /** What the transaction has done so far. */
  changesTasks: boolean;
  /** What is under way commits a change of a task. */
  commits: boolean;
  /** Only where it has found a row to change, and says so. */
  mayFindNothing: boolean;
  /** The end of the answer so far. */
  tail: string;
}

/** Writes to the tables of tasks; the outbox and the queue are none of theirs. */
const CHANGE = /\b(?:insert into|update|delete from) perdure\.task/;
/** `CommandComplete` and `ReadyForQuery`, with the number of rows where there is one. */
const DONE = /(?: (\d+)|COMMIT)\0Z\0{3}\x05[IT]$/;
/** The statement that answers with no row whatever it has written. */
const CREATE = 'commit-create';
const TAIL = 32;

/** A TCP proxy in front of Postgres that counts the commits that change tasks, and says when one of them passes. */
export class CommitProxy {
  private readonly lines = new Set<Line>();
  private commits = 0;
  private plan: Strike | undefined;

  private constructor(
    private readonly listener: Server,
    /** The database's URL, through the proxy. */
    readonly url: string,
  ) {}

  static async start(databaseUrl: string): Promise<CommitProxy> {
    const target = new URL(databaseUrl);
    const listener = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const proxied = Object.assign(new URL(databaseUrl), { hostname: '127.0.0.1', port: String(port) });
    const proxy = new CommitProxy(listener, proxied.href);
    listener.on('connection', (client) =>
      proxy.open(client, connect({ port: Number(target.port), host: target.hostname, noDelay: true })),
    );
    return proxy;
  }

  /** Commits since the last call of {@link count}. */
  get counted(): number {
    return this.commits;
  }

  /** Counts from 0 again, and strikes as planned. */
  count(plan?: Strike): void {
    this.commits = 0;
    this.plan = plan;
  }

  async stop(): Promise<void> {
    const closed = once(this.listener, 'close');
    this.listener.close();
    this.cut();
    await closed;
  }

  private open(client: Socket, server: Socket): void {
    const state = { inTransaction: false, changesTasks: false, commits: false, mayFindNothing: false, tail: '' };
    const line: Line = { client, server, queries: new QueryMessages(), ...state };
    this.lines.add(line);
    client.on('data', (data) => this.ask(line, data));
    server.on('data', (data) => this.answer(line, data));
    endTogether(client, server, () => this.lines.delete(line));
  }

  private ask(line: Line, data: Buffer): void {
    for (const query of line.queries.of(data)) follow(line, query.name, query.text);
    if (line.commits && this.isTime('the next one is sent')) this.strikeNow();
    else line.server.write(data);
  }

  private answer(line: Line, data: Buffer): void {
    line.tail = (line.tail + data.subarray(-TAIL).toString('latin1')).slice(-TAIL);
    const done = line.commits ? DONE.exec(line.tail) : null;
    if (done) {
      line.commits = false;
      const isCommit = done[1] !== '0' || !line.mayFindNothing;
      if (isCommit) this.commits++;
      if (isCommit && this.isTime('its answer is lost')) return this.strikeNow();
    }
    line.client.write(data);
  }

  /** Two connections may commit at a time: the next statement of all may come after the commit that follows. */
  private isTime(moment: Moment): boolean {
    return this.plan?.moment === moment && this.commits >= this.plan.commit;
  }

  private strikeNow(): void {
    const { plan } = this;
    this.plan = undefined;
    plan?.strike();
    this.cut();
  }

  private cut(): void {
    for (const { client, server } of this.lines) {
      for (const socket of [client, server]) socket.removeAllListeners('data').destroy();
    }
    this.lines.clear();
  }
}

/** Notes what a statement means for the line. */
function follow(line: Line, name: string, text: string): void {
  line.tail = '';
  if (text === 'begin') Object.assign(line, { inTransaction: true, changesTasks: false });
  else if (text === 'rollback') line.inTransaction = false;
  else if (text === 'commit')
    Object.assign(line, { inTransaction: false, commits: line.changesTasks, mayFindNothing: false });
  else if (line.inTransaction) line.changesTasks ||= CHANGE.test(text);
  else Object.assign(line, { commits: CHANGE.test(text), mayFindNothing: name !== CREATE });
}
