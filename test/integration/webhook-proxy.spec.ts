import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request as forward, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { WebhookClient } from '../../libs/push/src/webhook-client.js';
import { freePort } from '../support/free-port.js';
import { type Answer, answering, RawReceiver } from '../support/raw-receiver.js';

const pem = (name: string) => readFileSync(join(import.meta.dirname, '../support/tls', `${name}.pem`));

/** An HTTP proxy that finds every name on this machine. */
class Proxy {
  /** Request lines with the credentials that came along. */
  readonly asked: string[] = [];
  /** What it answers in place of doing it. */
  denial?: number;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server = createServer();

  async start(): Promise<this> {
    this.server.on('connection', (socket) => this.sockets.add(socket));
    this.server.on('connect', (request, socket) => this.tunnel(request, socket as Socket));
    this.server.on('request', (request, response) => {
      this.note(request);
      if (this.denial) return response.writeHead(this.denial).end();
      const { port, pathname } = new URL(request.url!);
      const { 'proxy-authorization': _, ...headers } = request.headers;
      const onward = forward({ port, host: '127.0.0.1', path: pathname, method: request.method, headers });
      onward.on('error', () => response.destroy());
      onward.on('response', (answer) => answer.pipe(response.writeHead(answer.statusCode!, answer.headers)));
      return request.pipe(onward);
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.sockets.forEach((socket) => socket.destroy());
    this.server.close();
    await once(this.server, 'close');
  }

  private tunnel(request: IncomingMessage, socket: Socket): void {
    this.note(request);
    socket.on('error', () => undefined);
    if (this.denial) return void socket.end(`HTTP/1.1 ${this.denial} No\r\n\r\n`);
    const onward = connect(Number(request.url!.split(':')[1]), '127.0.0.1');
    onward.on('connect', () => socket.write('HTTP/1.1 200 Connected\r\n\r\n'));
    onward.on('error', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  }

  private note({ method, url, headers }: IncomingMessage): void {
    this.asked.push(`${method} ${url} ${headers['proxy-authorization'] ?? '-'}`);
  }
}

let proxy: Proxy;
const receivers: RawReceiver[] = [];
const clients: WebhookClient[] = [];
beforeEach(async () => {
  proxy = await new Proxy().start();
});
afterEach(async () => {
  await Promise.all([...clients.splice(0), ...receivers.splice(0), proxy].map((part) => part.stop()));
});

describe('a webhook by way of a proxy', () => {
  it('over http is asked for by its URL; the credentials are for the proxy alone', async () => {
    const receiver = await receiverWith(answering(202, 'got it'));
    const url = `http://hook.example:${receiver.port}/path`;
    const answer = await send(url, `http://me:secret@127.0.0.1:${proxy.port}`);
    expect(answer).toMatchObject({ status: 202, response: 'got it' });
    expect(proxy.asked).toEqual([`POST ${url} Basic ${Buffer.from('me:secret').toString('base64')}`]);
    expect(receiver.requests[0]).toMatch(/^POST \/path HTTP\/1\.1\r\n/);
    expect(receiver.requests[0]).toContain(`host: hook.example:${receiver.port}\r\n`);
    expect(receiver.requests[0]).toMatch(/content-length: 2\r\n[^]*\r\n\{\}$/);
    expect(receiver.requests[0]).not.toContain('proxy-authorization');
  });

  it('over https is tunnelled, with TLS to the receiver itself, whose certificate has to hold', async () => {
    const receiver = await receiverWith(answering(200), true);
    const sent = send(`https://hook.example:${receiver.port}/`);
    await expect(sent).rejects.toMatchObject({ code: 'tls' });
    expect(proxy.asked).toEqual([`CONNECT hook.example:${receiver.port} -`]);
    expect(receiver.requests).toEqual([]);
  });

  it.each([
    'http://127.0.0.1/',
    'http://localhost/',
    'https://2130706433/',
    'https://[::1]/',
    'http://169.254.169.254/',
  ])('is refused to %s before the proxy hears of it', async (url) => {
    await expect(send(url)).rejects.toMatchObject({ code: 'refused_address' });
    expect(proxy.asked).toEqual([]);
  });

  it.each(['http', 'https'])('over %s fails as the proxy does where that is away', async (scheme) => {
    const away = `http://127.0.0.1:${await freePort()}`;
    await expect(send(`${scheme}://hook.example/`, away)).rejects.toMatchObject({ code: 'proxy' });
  });

  it('over https fails as the proxy does where that forbids it, as connect where that finds nobody', async () => {
    proxy.denial = 403;
    await expect(send('https://hook.example/')).rejects.toMatchObject({
      code: 'proxy',
      message: 'the proxy answers 403',
    });
    proxy.denial = 407;
    await expect(send('https://hook.example/')).rejects.toMatchObject({
      code: 'proxy',
      message: 'the proxy answers 407',
    });
    proxy.denial = 502;
    await expect(send('https://hook.example/')).rejects.toMatchObject({ code: 'connect' });
  });

  it('over http fails as the proxy does where that wants other credentials', async () => {
    proxy.denial = 407;
    await expect(send('http://hook.example/')).rejects.toMatchObject({
      code: 'proxy',
      message: 'the proxy answers 407',
    });
  });

  it.each(['http', 'https'])('over %s ends in time where the proxy is silent', async (scheme) => {
    const silent = await receiverWith(() => undefined);
    const sent = send(`${scheme}://hook.example/`, `http://127.0.0.1:${silent.port}`, '60ms');
    await expect(sent).rejects.toMatchObject({ code: 'timeout' });
  });
});

async function send(url: string, by = `http://127.0.0.1:${proxy.port}`, timeout = '15s') {
  const client = new WebhookClient(loadConfig({ PERDURE_PUSH_PROXY: by, PERDURE_PUSH_TIMEOUT: timeout }));
  clients.push(client);
  return client.send({ url, headers: {}, body: Buffer.from('{}'), signal: new AbortController().signal });
}

async function receiverWith(answer: Answer, isSecure = false): Promise<RawReceiver> {
  const tls = isSecure ? { cert: pem('server'), key: pem('server.key') } : undefined;
  const receiver = await RawReceiver.start(answer, { tls });
  receivers.push(receiver);
  return receiver;
}
