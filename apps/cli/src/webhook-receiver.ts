import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';

/** A webhook as it came. */
export interface ReceivedWebhook {
  readonly method: string;
  readonly path: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

/** Decides on the HTTP status that a webhook is answered with. */
export type WebhookHandler = (webhook: ReceivedWebhook) => Promise<number>;

/** No honest event is larger. */
const MAX_BYTES = 64 * 1024 * 1024;

/** A connection that is kept would hold up the end. */
const ANSWER = { 'content-length': 0, connection: 'close' };

/** An HTTP server on this machine that takes whatever is sent to it. */
export class WebhookReceiver {
  private constructor(
    private readonly server: Server,
    /** Where it is reached. */
    readonly url: string,
  ) {}

  /** Listens on loopback, on any free port for 0; rejects where that cannot be had. */
  static async start(port: number, handle: WebhookHandler): Promise<WebhookReceiver> {
    const server = createServer((request, response) => {
      void statusFor(request, handle).then((status) => response.writeHead(status, ANSWER).end());
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new WebhookReceiver(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  /** Answers what has come, and takes no more. */
  async stop(): Promise<void> {
    this.server.close();
    await once(this.server, 'close');
  }
}

async function statusFor(request: IncomingMessage, handle: WebhookHandler): Promise<number> {
  const { method = '', url = '/' } = request;
  if (method !== 'POST') return 405;
  try {
    const body = await bodyOf(request);
    if (!body) return 413;
    const headers = Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(', ')] as const);
    return await handle({ method, path: url, headers: Object.fromEntries(headers), body });
  } catch {
    // The other side has gone, or what it sent is beyond us: it is told nothing of why.
    return 400;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
