import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach } from 'vitest';
import { type StreamResponseJson } from '#protocol';

/** A request that a receiver has got, in full. */
export interface ReceivedWebhook {
  readonly path: string;
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: StreamResponseJson;
}

/** What it answers: a status, or nothing at all (`hang`), or the end of the connection. */
export type WebhookAnswer =
  number | 'hang' | 'close' | { readonly status: number; readonly headers: Record<string, string> };

/** Decides on a request, the `nth` of all, from 1; may take its time. */
export type WebhookScript = (webhook: ReceivedWebhook, nth: number) => WebhookAnswer | Promise<WebhookAnswer>;

/** A server that takes webhooks, keeps what arrives in its order, and answers as a test says. */
export class WebhookReceiver {
  readonly received: ReceivedWebhook[] = [];
  answer: WebhookScript = () => 204;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<WebhookReceiver> {
    const server = createServer();
    const receiver = new WebhookReceiver(server);
    server.on('request', (request, response) => {
      const { url: path = '', headers } = request;
      void text(request).then(
        (body) => receiver.take({ path, headers, body }, response),
        () => undefined,
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  /** The URL of a path on it. */
  url(path = '/'): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  /** The ids of what came to a path, in order. */
  ids(path?: string): string[] {
    return this.received.filter((webhook) => path === undefined || webhook.path === path).map(({ id }) => id);
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private async take(request: Pick<ReceivedWebhook, 'path' | 'headers' | 'body'>, response: ServerResponse) {
    const event = JSON.parse(request.body) as StreamResponseJson;
    const webhook = { ...request, id: String(request.headers['webhook-id']), event };
    const answer = await this.answer(webhook, this.received.push(webhook));
    if (answer === 'close') response.destroy();
    else if (typeof answer === 'object') response.writeHead(answer.status, answer.headers).end();
    else if (answer !== 'hang') response.writeHead(answer).end();
  }
}

/** Starts receivers, and stops each after its test. */
export function useReceivers(): () => Promise<WebhookReceiver> {
  const receivers: WebhookReceiver[] = [];
  afterEach(async () => {
    await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
  });
  return async () => {
    const receiver = await WebhookReceiver.start();
    receivers.push(receiver);
    return receiver;
  };
}
