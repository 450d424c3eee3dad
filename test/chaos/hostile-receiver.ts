import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../support/free-port.js';
import { type Random } from '../support/random.js';
import { type OpenArrival, type WebhookRecorder } from './webhook-recorder.js';

/** Origins that it listens at, so that one may be spared what the others suffer. */
const ENDPOINTS = 3;
/** How many answers of a hundred are none that a sender may be content with: on good days, and while it is hostile. */
const BAD = 30;
const HOSTILE = 85;
/** A good answer may take its time. */
const THINK_MS = 100;
const RETRY_AFTER_S = '1';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** What senders have to live with. */
const BAD_ANSWERS: readonly Answer[] = [
  (response) => response.writeHead(500).end('broken'),
  (response) => response.writeHead(503).end(),
  (response) => response.writeHead(429, { 'retry-after': RETRY_AFTER_S }).end('slower, please'),
  (response) => response.writeHead(404).end('not yet'),
  // Who follows it comes to an address that is nobody's.
  (response) => response.writeHead(307, { location: '/elsewhere' }).end(),
  (_, request) => request.socket.destroy(),
  (_, request) => request.socket.end('this is not HTTP\r\n\r\n'),
  // Half an answer, whose first half says that all is well.
  (response) =>
    response.writeHead(200, { 'content-length': '100' }).write('half', () => response.socket?.destroySoon()),
  // Nothing, ever.
  () => undefined,
];

/** Receives webhooks, answers as it likes, and has everything that comes written down. */
export class HostileReceiver {
  private readonly servers: Server[] = [];
  private readonly ports: number[] = [];
  private downs = 0;
  private hostilities = 0;

  private constructor(
    private readonly recorder: WebhookRecorder,
    private readonly random: Random,
  ) {}

  static async start(recorder: WebhookRecorder, random: Random): Promise<HostileReceiver> {
    const receiver = new HostileReceiver(recorder, random);
    for (let i = 0; i < ENDPOINTS; i++) {
      const server = createServer((request, response) => void receiver.receive(request, response));
      receiver.servers.push(server);
      // It has to get it back after a time in which nobody listens there.
      const port = await freePort();
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      receiver.ports.push(port);
    }
    return receiver;
  }

  /** Where webhooks with that id go. */
  urlOf(id: string): string {
    const port = this.ports[this.random.below(ENDPOINTS)]!;
    return `http://127.0.0.1:${port}/${id}`;
  }

  /** Nobody gets to it any more, from one call with true to as many with false. */
  async setDown(isDown: boolean): Promise<void> {
    this.downs += isDown ? 1 : -1;
    if (isDown && this.downs === 1) await this.close();
    if (!isDown && this.downs === 0) await this.listen();
  }

  /** Hardly any answer is a good one, likewise. */
  setHostile(isHostile: boolean): void {
    this.hostilities += isHostile ? 1 : -1;
  }

  async close(): Promise<void> {
    const closed = this.servers.filter(({ listening }) => listening).map((server) => once(server, 'close'));
    for (const server of this.servers) server.close().closeAllConnections();
    await Promise.all(closed);
  }

  private async listen(): Promise<void> {
    await Promise.all(
      this.servers.map((server, index) => once(server.listen(this.ports[index], '127.0.0.1'), 'listening')),
    );
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrival = this.recorder.arrived(request.url!.slice(1), request.headers);
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    try {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      arrival.body = Buffer.concat(pieces).toString();
    } catch {
      // Its sender has died halfway.
      return;
    }
    const share = this.hostilities > 0 ? HOSTILE : BAD;
    if (this.random.below(100) < share) BAD_ANSWERS[this.random.below(BAD_ANSWERS.length)]!(response, request);
    else await this.acknowledge(arrival, response);
  }

  private async acknowledge(arrival: OpenArrival, response: ServerResponse): Promise<void> {
    if (this.random.below(4) === 0) await delay(this.random.below(THINK_MS));
    if (response.destroyed) return;
    this.recorder.acknowledged(arrival);
    response.writeHead(this.random.below(2) === 0 ? 200 : 204).end();
  }
}
