import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { AddressGuard, loadConfig } from '#platform';
import { GuardedConnector } from '../../libs/push/src/guarded-connector.js';
import { SendError } from '../../libs/push/src/send-error.js';
import { WebhookClient } from '../../libs/push/src/webhook-client.js';
import { freePort } from '../support/free-port.js';
import { type Answer, answering, RawReceiver } from '../support/raw-receiver.js';

const HERE = { PERDURE_PUSH_ALLOW: '127.0.0.1' };
const HASTY = { ...HERE, PERDURE_PUSH_TIMEOUT: '60ms' };
const BODY = '{"statusUpdate":"ü"}';

const clients: WebhookClient[] = [];
const receivers: RawReceiver[] = [];
afterEach(async () => {
  await Promise.all([...clients.splice(0), ...receivers.splice(0)].map((part) => part.stop()));
});

describe('an attempt', () => {
  it('posts the body whole, with its length and the headers that are given', async () => {
    const receiver = await receiverWith(answering(200));
    const headers = { 'content-type': 'application/a2a+json', authorization: 'Bearer ö', 'webhook-id': 'a_1' };
    await send(clientWith(HERE), { url: `http://127.0.0.1:${receiver.port}/hook%20a?b=c&d#e`, headers });
    const [head = '', body] = receiver.requests[0]!.split('\r\n\r\n');
    const lines = head.split('\r\n');
    expect(lines[0]).toBe('POST /hook%20a?b=c&d HTTP/1.1');
    expect(lines).toContain(`host: 127.0.0.1:${receiver.port}`);
    expect(lines).toContain(`content-length: ${Buffer.byteLength(BODY)}`);
    expect(lines).toEqual(expect.arrayContaining(Object.entries(headers).map(([name, value]) => `${name}: ${value}`)));
    expect(head).not.toMatch(/transfer-encoding|expect|accept-encoding/i);
    expect(Buffer.from(body!, 'latin1').toString()).toBe(BODY);
  });

  it.each([200, 204, 299, 304, 400, 404, 410, 429, 500, 503])('brings the answer with %i', async (status) => {
    const text = status === 204 || status === 304 ? '' : 'what I think of it';
    const receiver = await receiverWith(answering(status, text));
    await expect(sendTo(receiver, HERE)).resolves.toMatchObject({ status, response: text });
  });

  it('brings what Retry-After asks for', async () => {
    const receiver = await receiverWith(answering(429, '', { 'retry-after': '120' }));
    await expect(sendTo(receiver, HERE)).resolves.toMatchObject({ status: 429, retryAfterMs: 120_000 });
    receiver.answer = answering(503, '', { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' });
    await expect(sendTo(receiver, HERE)).resolves.toMatchObject({ status: 503, retryAfterMs: 0 });
    receiver.answer = answering(503, '', { 'retry-after': 'later' });
    expect((await sendTo(receiver, HERE)).retryAfterMs).toBeUndefined();
  });

  it('takes the connection of the one before', async () => {
    const receiver = await receiverWith(answering(200));
    const client = clientWith(HERE);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await send(client, { url: urlOf(receiver) });
      // A connection is free again in the turn after its answer.
      await setImmediate();
    }
    expect(receiver.requests).toHaveLength(3);
    expect(receiver.connections).toHaveLength(1);
  });

  it('waits for the final answer, not for what comes before it', async () => {
    const receiver = await receiverWith((socket) => {
      socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
      answering(200, 'done')(socket, '');
    });
    await expect(sendTo(receiver, HERE)).resolves.toMatchObject({ status: 200, response: 'done' });
  });
});

describe('the text of an answer', () => {
  const capped = { ...HERE, PERDURE_PUSH_MAX_RESPONSE: '1kb' };

  it('is read up to its bound, and then the connection is closed', async () => {
    const receiver = await receiverWith(answering(200, 'x'.repeat(100_000)));
    const { status, response } = await sendTo(receiver, capped);
    expect({ status, bytes: response.length }).toEqual({ status: 200, bytes: 1024 });
    await receiver.firstClosed();
  });

  it('that never ends is read up to its bound as well', async () => {
    const receiver = await receiverWith((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      const pour = () => socket.writable && socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`, pour);
      pour();
    });
    await expect(sendTo(receiver, capped)).resolves.toMatchObject({ status: 200, response: 'x'.repeat(1024) });
    await receiver.firstClosed();
  });

  it('of just that many bytes leaves the connection open', async () => {
    const receiver = await receiverWith(answering(200, 'x'.repeat(1024)));
    const client = clientWith(capped);
    await send(client, { url: urlOf(receiver) });
    await setImmediate();
    await send(client, { url: urlOf(receiver) });
    expect(receiver.connections).toHaveLength(1);
  });

  it('has nothing that a terminal obeys or a database refuses, and no half of a character', async () => {
    const receiver = await receiverWith(answering(500, 'a\0b\x1b[31mc\r\n\td\x9be'));
    expect((await sendTo(receiver, HERE)).response).toBe('a\ufffdb\ufffd[31mc\r\n\td\ufffde');
    receiver.answer = answering(500, `${'x'.repeat(1023)}€`);
    expect((await sendTo(receiver, capped)).response).toBe('x'.repeat(1023));
    receiver.answer = (socket) => socket.end(Buffer.from([...Buffer.from('HTTP/1.1 500 No\r\n\r\na'), 0xff, 0xfe]));
    expect((await sendTo(receiver, HERE)).response).toBe('a\ufffd\ufffd');
  });
});

describe('an attempt without a whole answer', () => {
  const cut = (bytes: string): Answer => {
    return (socket) => void socket.end(bytes);
  };

  it.each<[fact: string, code: string, answer: Answer]>([
    ['is closed at once', 'closed', cut('')],
    ['is reset', 'closed', (socket) => socket.resetAndDestroy()],
    ['is closed within the head', 'closed', cut('HTTP/1.1 200 OK\r\ncontent-le')],
    ['is closed within the body', 'closed', cut('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')],
    ['is closed within a chunk', 'closed', cut('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf')],
    [
      'is closed before the last chunk',
      'closed',
      cut('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n'),
    ],
    ['is answered with another protocol', 'bad_response', cut('220 mail.example ESMTP\r\n')],
    ['is answered with nonsense', 'bad_response', cut('HTTP/1.1 200 OK\r\nno header\r\n\r\n')],
    [
      'is answered with two lengths',
      'bad_response',
      cut('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'),
    ],
    ['is answered with too long a head', 'bad_response', cut(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)],
    ['is answered with another protocol to change to', 'bad_response', cut('HTTP/1.1 101 Go\r\nupgrade: x\r\n\r\n')],
  ])('that %s fails as %s', async (_fact, code, answer) => {
    const receiver = await receiverWith(answer);
    const failure = await failureOf(sendTo(receiver, HERE));
    expect(failure).toMatchObject({ code });
    expect(receiver.requests).toHaveLength(1);
  });

  it.each<[fact: string, answer: Answer]>([
    ['stays away', () => undefined],
    ['stops within its head', (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-')],
    ['stops within its body', (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')],
    ['drips for ever', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nx: ')],
    ['drips for ever in its body', (socket) => drip(socket, 'HTTP/1.1 200 OK\r\n\r\n')],
    ['consists of promises', (socket) => drip(socket, 'HTTP/1.1 102 Processing\r\n\r\n')],
  ])('that %s ends in time, and its connection with it', async (_fact, answer) => {
    const receiver = await receiverWith(answer);
    const failure = await failureOf(sendTo(receiver, HASTY));
    expect(failure).toMatchObject({ code: 'timeout', message: 'no whole answer within 60 ms' });
    expect(failure.latencyMs).toBeGreaterThan(0);
    await receiver.firstClosed();
  });

  it('fails as connect where nobody listens', async () => {
    const port = await freePort();
    const failure = await failureOf(send(clientWith(HERE), { url: `http://127.0.0.1:${port}/` }));
    expect(failure).toMatchObject({ code: 'connect', message: `no connection to 127.0.0.1:${port} (ECONNREFUSED)` });
  });
});

describe('the signal', () => {
  it('ends an attempt under way, and its connection with it', async () => {
    const aborter = new AbortController();
    const receiver = await receiverWith(() => aborter.abort());
    const failure = await failureOf(send(clientWith(HERE), { url: urlOf(receiver), signal: aborter.signal }));
    expect(failure.code).toBe('aborted');
    await receiver.firstClosed();
  });

  it('ends one whose answer is being read', async () => {
    const aborter = new AbortController();
    const receiver = await receiverWith((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', () => aborter.abort());
    });
    const failure = await failureOf(send(clientWith(HERE), { url: urlOf(receiver), signal: aborter.signal }));
    expect(failure.code).toBe('aborted');
    await receiver.firstClosed();
  });

  it('that has come before lets nothing begin', async () => {
    const receiver = await receiverWith(answering(200));
    const failure = await failureOf(send(clientWith(HERE), { url: urlOf(receiver), signal: AbortSignal.abort() }));
    expect(failure.code).toBe('aborted');
    expect(receiver.connections).toHaveLength(0);
  });

  it('that comes before the connection is there lets nothing be sent', async () => {
    const receiver = await receiverWith(answering(200));
    const aborter = new AbortController();
    const asked = new EventEmitter();
    const answer = once(asked, 'answer') as Promise<string[]>;
    const client = clientWith(HERE, () => answer);
    const sent = send(client, { url: `http://hook.example:${receiver.port}/`, signal: aborter.signal });
    aborter.abort();
    expect((await failureOf(sent)).code).toBe('aborted');
    asked.emit('answer', '127.0.0.1');
    await send(client, { url: `http://hook.example:${receiver.port}/second` });
    await client.stop();
    await receiver.firstClosed();
    expect(receiver.requests.map((text) => text.split('\r\n')[0])).toEqual(['POST /second HTTP/1.1']);
  });

  it('need not have come: an attempt that has waited too long is not sent', async () => {
    const receiver = await receiverWith(answering(200));
    let isWanted = true;
    const client = clientWith(HERE, async () => {
      isWanted = false;
      return ['127.0.0.1'];
    });
    const sent = send(client, { url: `http://hook.example:${receiver.port}/`, isWanted: () => isWanted });
    expect(await failureOf(sent)).toMatchObject({ code: 'aborted', message: 'its time was over before it was sent' });
    await client.stop();
    const socket = await receiver.firstClosed();
    expect(socket.bytesRead).toBe(0);
  });

  it('is let go of when the attempt is over', async () => {
    const receiver = await receiverWith(answering(200));
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...given: Parameters<typeof add>) => ((listeners += 1), add(...given));
    signal.removeEventListener = (...given: Parameters<typeof remove>) => ((listeners -= 1), remove(...given));
    await send(clientWith(HERE), { url: urlOf(receiver), signal });
    expect(listeners).toBe(0);
  });
});

describe('a header', () => {
  it.each([
    ['webhook-id', 'a\r\nx-evil: 1'],
    ['authorization', 'Bearer a\nb'],
    ['authorization', 'Bearer \0'],
    ['x-a2a-notification-token', '\u010d\u010a'],
    ['x-a2a-notification-token', '😀'],
    ['x evil', '1'],
    ['x\r\ny', '1'],
    ['', '1'],
  ])('%j with %j is refused, and nothing is sent', async (name, value) => {
    const receiver = await receiverWith(answering(200));
    const failure = await failureOf(send(clientWith(HERE), { url: urlOf(receiver), headers: { [name]: value } }));
    expect(failure.code).toBe('invalid_request');
    expect(failure.message).not.toMatch(/evil: 1|Bearer/);
    expect(receiver.connections).toHaveLength(0);
  });

  it('that promises another length is refused, and nothing is sent', async () => {
    const receiver = await receiverWith(answering(200));
    const headers = { 'content-length': '1' };
    const failure = await failureOf(send(clientWith(HERE), { url: urlOf(receiver), headers }));
    expect(failure.code).toBe('invalid_request');
    expect(receiver.requests).toHaveLength(0);
  });
});

describe('TLS', () => {
  const pem = (name: string) => readFileSync(join(import.meta.dirname, '../support/tls', `${name}.pem`));
  const tls = { cert: pem('server'), key: pem('server.key') };

  it('wants a certificate that this machine trusts', async () => {
    const receiver = await receiverWith(answering(200), tls);
    const failure = await failureOf(send(clientWith(HERE), { url: `https://127.0.0.1:${receiver.port}/` }));
    expect(failure.code).toBe('tls');
    expect(receiver.requests).toHaveLength(0);
  });

  it('wants one that names the host, and goes over the very connection that was checked', async () => {
    const receiver = await receiverWith(answering(200, 'secret'), tls);
    const guard = new AddressGuard(loadConfig(HERE));
    const { connect } = new GuardedConnector(guard, async () => ['127.0.0.1'], 5_000, { ca: pem('ca') });
    const agent = new Agent({ connect });
    const ask = (host: string) => request(`https://${host}:${receiver.port}/`, { dispatcher: agent });
    await expect(ask('hook.example')).rejects.toMatchObject({ code: 'tls', message: /altname/ });
    await expect(ask('localhost').then(({ body }) => body.text())).resolves.toBe('secret');
    await agent.destroy();
  });

  it('is given up in time where nobody speaks it', async () => {
    const receiver = await receiverWith(() => undefined);
    const client = clientWith({ ...HERE, PERDURE_PUSH_CONNECT_TIMEOUT: '300ms' });
    const failure = await failureOf(send(client, { url: `https://127.0.0.1:${receiver.port}/` }));
    expect(failure).toMatchObject({ code: 'timeout', message: 'no TLS within 300 ms' });
    await receiver.firstClosed();
  });

  it('is the only way where nothing else is allowed', async () => {
    const receiver = await receiverWith(answering(200));
    const failure = await failureOf(sendTo(receiver, { ...HERE, PERDURE_PUSH_HTTPS_ONLY: 'true' }));
    expect(failure).toMatchObject({ code: 'refused_address', message: 'the URL does not begin with https://' });
    expect(receiver.connections).toHaveLength(0);
  });
});

interface Given {
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly isWanted?: () => boolean;
}

function clientWith(variables: Record<string, string>, resolve?: () => Promise<string[]>): WebhookClient {
  const client = new WebhookClient(loadConfig(variables), resolve);
  clients.push(client);
  return client;
}

function send(client: WebhookClient, { headers = {}, signal = new AbortController().signal, ...given }: Given) {
  return client.send({ ...given, headers, body: Buffer.from(BODY), signal });
}

function sendTo(receiver: RawReceiver, variables: Record<string, string>) {
  return send(clientWith(variables), { url: urlOf(receiver) });
}

async function failureOf(sent: Promise<unknown>): Promise<SendError> {
  const failure = await sent.then(
    () => expect.unreachable('was sent'),
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(SendError);
  return failure as SendError;
}

async function receiverWith(answer: Answer, tls?: { cert: Buffer; key: Buffer }): Promise<RawReceiver> {
  const receiver = await RawReceiver.start(answer, { tls });
  receivers.push(receiver);
  return receiver;
}

function urlOf(receiver: RawReceiver): string {
  return `http://127.0.0.1:${receiver.port}/`;
}

/** Sends the text, and then a byte of it or all of it again, for as long as somebody listens. */
function drip(socket: Parameters<Answer>[0], text: string): void {
  socket.write(text);
  const timer = setInterval(() => socket.write(text.includes('102') ? text : 'x'), 5);
  socket.on('close', () => clearInterval(timer));
}
