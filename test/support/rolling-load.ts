import { setTimeout as delay } from 'node:timers/promises';
import { GrpcProtocolClient } from './protocol-client-grpc.js';
import { fetchAnswer } from './json-rpc.js';
import { type ServerProcess } from './server-process.js';
import { type EventStream, stateOf, type StreamEvent } from './sse-client.js';

const LOOK_MS = 50;

/** The servers that are ready, as a load balancer knows them: it asks each now and then. */
export class Balancer {
  private readonly servers = new Set<ServerProcess>();
  private readonly ready = new Set<ServerProcess>();
  private turn = 0;

  /** Asks the server from now on; resolves when it is ready. */
  async add(server: ServerProcess): Promise<void> {
    this.servers.add(server);
    let isReady = () => undefined as void;
    const ready = new Promise<void>((resolve) => (isReady = resolve));
    void this.watch(server, isReady);
    await ready;
  }

  /** Forgets it. */
  remove(server: ServerProcess): void {
    this.servers.delete(server);
    this.ready.delete(server);
  }

  /** The next of those that are ready. */
  pick(): ServerProcess {
    const ready = [...this.ready];
    const picked = ready[this.turn++ % ready.length];
    if (!picked) throw new Error('no server is ready');
    return picked;
  }

  private async watch(server: ServerProcess, isReady: () => void): Promise<void> {
    while (this.servers.has(server)) {
      const status = await fetchAnswer(`${server.url}/health/ready`).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status !== 200 || !this.servers.has(server)) this.ready.delete(server);
      else {
        this.ready.add(server);
        isReady();
      }
      await delay(LOOK_MS, undefined, { ref: false });
    }
  }
}

/** Clients that call, one call after the other, until they are stopped; whatever fails is noted. */
export class RollingLoad {
  readonly failures: string[] = [];
  sent = 0;
  streamed = 0;
  /** Streams that were ended by a server that went, and taken up at another. */
  reconnects = 0;
  private readonly clients: Promise<void>[] = [];
  private readonly grpc = new Map<ServerProcess, GrpcProtocolClient>();
  private isOver = false;

  /**
   * @param agent whose tasks end by themselves.
   * @param text what it is sent.
   */
  constructor(
    private readonly balancer: Balancer,
    private readonly agent: string,
    private readonly text: string,
  ) {}

  start(clientsOfEach: number): void {
    for (let i = 0; i < clientsOfEach; i++) {
      for (const call of [() => this.send(), () => this.sendOverGrpc(), () => this.follow()]) {
        this.clients.push(this.repeat(call));
      }
    }
  }

  /** Lets every client end its call. */
  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.clients);
    for (const client of this.grpc.values()) client.close();
  }

  private async repeat(call: () => Promise<void>): Promise<void> {
    while (!this.isOver) {
      await call().catch((error: Error) => {
        this.failures.push(`${error.name}: ${error.message}`);
        return delay(LOOK_MS);
      });
    }
  }

  private async send(): Promise<void> {
    const { status } = await this.balancer.pick().rpc(this.agent).send(this.text);
    this.ended('send', status?.state);
  }

  private async sendOverGrpc(): Promise<void> {
    const server = this.balancer.pick();
    const client = this.grpc.get(server) ?? new GrpcProtocolClient({ grpcAddress: server.grpc, agent: this.agent });
    this.grpc.set(server, client);
    const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: this.text }] };
    const { task } = await client.call('SendMessage', { message });
    this.ended('gRPC send', task?.status?.state);
  }

  private ended(what: string, state: string | undefined): void {
    this.sent++;
    if (state !== 'TASK_STATE_COMPLETED') this.failures.push(`${what}: answered with ${state}`);
  }

  /** Follows a task of `agent` from its first event, until it has ended. */
  watch(agent: string, id: string): void {
    const followed = this.followed(agent, () => this.balancer.pick().rpc(agent).subscribe(id, 0));
    this.clients.push(followed.catch((error: Error) => void this.failures.push(`${error.name}: ${error.message}`)));
  }

  private follow(): Promise<void> {
    return this.followed(this.agent, () => this.balancer.pick().rpc(this.agent).stream(this.text));
  }

  /** Reads a stream to the end of its task, over as many connections as it takes. */
  private async followed(agent: string, open: () => Promise<EventStream>): Promise<void> {
    let stream = await open();
    const events: StreamEvent[] = [...(await stream.all())];
    const id = events[0]?.response.task?.id;
    while (id !== undefined && stateOf(events.at(-1)!) !== 'TASK_STATE_COMPLETED') {
      if (!stream.comments.includes('server is shutting down')) this.failures.push('stream: ended without a word');
      this.reconnects++;
      stream = await this.balancer.pick().rpc(agent).subscribe(id, events.at(-1)!.id);
      events.push(...(await stream.all()));
    }
    this.streamed++;
    const isWhole = events.length > 0 && events.every((event, index) => event.id === index + 1);
    if (!isWhole) this.failures.push(`stream: events ${events.map((event) => event.id).join(' ')}`);
  }
}
