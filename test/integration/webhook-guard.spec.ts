import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { networkInterfaces } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { dnsResolver } from '../../libs/push/src/host-addresses.js';
import { SendError } from '../../libs/push/src/send-error.js';
import { WebhookClient } from '../../libs/push/src/webhook-client.js';
import { NameServer, type Zone } from '../support/name-server.js';
import { answering, RawReceiver } from '../support/raw-receiver.js';

const OUTSIDE = '127.0.0.2';
const INSIDE = '127.0.0.1';
/** OUTSIDE stands for a host of the public internet, INSIDE for what nobody may reach. */
const GUARDED = { PERDURE_PUSH_ALLOW: OUTSIDE };
const OPEN = { PERDURE_PUSH_ALLOW: '0.0.0.0/0,::/0' };

/** Containers often have IPv4 alone: there nothing is to be reached by IPv6, and refused it is all the same. */
const HAS_IPV6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

let inside: RawReceiver;
let insideV6: RawReceiver | undefined;
let outside: RawReceiver;
let names: NameServer;
const clients: WebhookClient[] = [];
/** Connections that anything in this process began, whether or not they came about. */
let dials = 0;
const onDial = () => void (dials += 1);

beforeAll(async () => {
  inside = await RawReceiver.start(answering(200, 'inside'), { host: INSIDE });
  const v6 = { host: '::1', port: inside.port };
  insideV6 = HAS_IPV6 ? await RawReceiver.start(answering(200, 'inside'), v6) : undefined;
  outside = await RawReceiver.start(answering(200, 'outside'), { host: OUTSIDE, port: inside.port });
  names = await NameServer.start(() => []);
  subscribe('net.client.socket', onDial);
});
afterAll(async () => {
  unsubscribe('net.client.socket', onDial);
  const parts = [inside, insideV6, outside, names].filter((part) => part !== undefined);
  await Promise.all(parts.map((part) => part.stop()));
});
beforeEach(() => {
  for (const receiver of [inside, insideV6, outside]) receiver?.connections.splice(0);
  names.questions.length = 0;
  outside.answer = answering(200, 'outside');
  dials = 0;
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.stop()));
});

describe('a URL that leads to this machine', () => {
  it.each([
    ...[INSIDE, '127.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '017700000001', '127.0.0.1.'],
    ...['0.0.0.0', '0', '%31%32%37.0.0.1', '①②⑦.0.0.1', '127。0。0。1'],
    ...['[::1]', '[0:0:0:0:0:0:0:1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
    ...['localhost', 'LOCALHOST', 'hook.localhost', 'ⓛocalhost'],
  ])('is refused as http://%s, which would get there', async (host) => {
    const url = `http://${host}:${inside.port}/`;
    await expect(sendBy(GUARDED, url)).rejects.toMatchObject({ code: 'refused_address' });
    expect(dials).toBe(0);
    expect(arrivals()).toBe(0);
    if (host.startsWith('[') && !HAS_IPV6) return;
    await expect(sendBy(OPEN, url)).resolves.toMatchObject({ response: 'inside' });
    expect(arrivals()).toBe(1);
  });

  it.each([
    'http://outside.example@127.0.0.1:PORT/',
    'http://outside.example:80@127.0.0.1:PORT/',
    'http://outside.example\\@127.0.0.1:PORT/',
    'http://127.0.0.1:PORT\\@outside.example/',
    'http://127.0.0.1:PORT%2f@outside.example/',
    'http:127.0.0.1:PORT/',
    'http:/\t/127.0.0.1:PORT/',
    'http://127.0.0.1\n:PORT/',
    'http://localhost.:PORT/',
    '//127.0.0.1:PORT/',
    'ws://127.0.0.1:PORT/',
    'ftp://127.0.0.1:PORT/',
    'unix:/var/run/docker.sock',
  ])('is refused as %j', async (text) => {
    const url = text.replace('PORT', String(inside.port));
    await expect(sendBy(OPEN, url)).rejects.toMatchObject({ code: 'refused_address' });
    expect(dials).toBe(0);
  });
});

describe('a name', () => {
  const url = () => `http://hook.example:${inside.port}/`;

  it.each([
    ...[INSIDE, '127.9.9.9', '0.0.0.0', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254'],
    ...['169.254.1.1', '168.63.129.16', '192.0.0.8', '198.18.0.1', '192.0.2.1', '224.0.0.1', '240.0.0.1'],
    ...[
      '255.255.255.255',
      '::1',
      '::',
      '::ffff:127.0.0.1',
      '::ffff:10.0.0.1',
      '::127.0.0.1',
      'fc00::1',
      'fd00:ec2::254',
    ],
    ...['fe80::1', 'fec0::1', 'ff02::1', '64:ff9b::127.0.0.1', '64:ff9b:1::1', '2002:7f00:1::', '2001::1', '5f00::1'],
    ...['100::1', '2001:db8::1', '3fff::1'],
  ])('at %s is refused, and nothing is dialled', async (address) => {
    names.zone = () => [address];
    const refusal = (await sendBy(GUARDED, url()).catch((error: unknown) => error)) as SendError;
    expect(refusal).toBeInstanceOf(SendError);
    expect(refusal.code).toBe('refused_address');
    expect(refusal.message).toMatch(/^the URL names hook\.example at \S+, an? |^the URL .*, the /);
    expect(dials).toBe(0);
  });

  it('is looked up once, and what was checked is what is dialled, whatever it answers next', async () => {
    let answers = 0;
    names.zone = (_name, type) => (type === 'A' ? [answers++ === 0 ? OUTSIDE : INSIDE] : []);
    await expect(sendBy(GUARDED, url())).resolves.toMatchObject({ response: 'outside' });
    expect(names.questions.toSorted()).toEqual(['A hook.example', 'AAAA hook.example']);
    expect(inside.connections).toEqual([]);
  });

  it('that changes its answer between two attempts is refused at the second', async () => {
    outside.answer = answering(500, '', { connection: 'close' });
    names.zone = zoneOf(OUTSIDE);
    const client = clientWith(GUARDED);
    await expect(send(client, url())).resolves.toMatchObject({ status: 500 });
    await outside.firstClosed();
    names.zone = zoneOf(INSIDE);
    await expect(send(client, url())).rejects.toMatchObject({ code: 'refused_address' });
    expect(arrivals()).toBe(0);
    expect(dials).toBe(1);
  });

  it('that changes its answer is not followed on a connection that is kept, which goes to the checked address', async () => {
    names.zone = zoneOf(OUTSIDE);
    const client = clientWith(GUARDED);
    await send(client, url());
    // A connection is free again in the turn after its answer.
    await setImmediate();
    names.zone = zoneOf(INSIDE);
    await expect(send(client, url())).resolves.toMatchObject({ response: 'outside' });
    expect(outside.connections).toHaveLength(1);
    expect(arrivals()).toBe(0);
  });

  it('with an address of each kind is dialled at the public one alone', async () => {
    names.zone = zoneOf(INSIDE, OUTSIDE, '::1');
    await expect(sendBy(GUARDED, url())).resolves.toMatchObject({ response: 'outside' });
    outside.answer = (socket) => socket.resetAndDestroy();
    await expect(sendBy(GUARDED, url())).rejects.toMatchObject({ code: 'closed' });
    expect(arrivals()).toBe(0);
  });

  it('is refused where the socket turns out to stand elsewhere than its address says, before a byte is sent', async () => {
    // A connection to 0.0.0.0 is one to 127.0.0.1.
    names.zone = zoneOf('0.0.0.0');
    const refusal = sendBy({ PERDURE_PUSH_ALLOW: '0.0.0.0' }, url());
    await expect(refusal).rejects.toMatchObject({
      code: 'refused_address',
      message: 'the URL names hook.example at 127.0.0.1, a loopback address',
    });
    const socket = await inside.firstClosed();
    expect(socket.bytesRead).toBe(0);
  });

  it('that the operator has listed may be anywhere', async () => {
    const listed = { PERDURE_PUSH_ALLOW: `localhost:${inside.port}` };
    await expect(sendBy(listed, `http://localhost:${inside.port}/`)).resolves.toMatchObject({ response: 'inside' });
    expect(names.questions).toEqual([]);
  });

  it('that does not exist, or whose servers are silent, has no address', async () => {
    names.zone = () => [];
    await expect(sendBy(GUARDED, url())).rejects.toMatchObject({
      code: 'dns',
      message: 'hook.example has no address (ENOTFOUND)',
    });
    names.zone = () => undefined;
    const hasty = { ...GUARDED, PERDURE_PUSH_CONNECT_TIMEOUT: '50ms' };
    await expect(sendBy(hasty, url())).rejects.toMatchObject({ code: 'dns' });
    expect(dials).toBe(0);
  });

  it('whose servers answer for one family only is not waited for', async () => {
    names.zone = (_name, type) => (type === 'A' ? [OUTSIDE] : undefined);
    await expect(sendBy(GUARDED, url())).resolves.toMatchObject({ response: 'outside' });
  });
});

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('with %i is an answer, and not followed', async (status) => {
    outside.answer = answering(status, '', { location: `http://${INSIDE}:${inside.port}/` });
    const answer = await sendBy(GUARDED, `http://${OUTSIDE}:${outside.port}/`);
    expect(answer.status).toBe(status);
    expect(arrivals()).toBe(0);
    expect(dials).toBe(1);
  });
});

function clientWith(variables: Record<string, string>): WebhookClient {
  const config = loadConfig(variables);
  const client = new WebhookClient(config, dnsResolver(config.pushConnectTimeoutMs, [names.address]));
  clients.push(client);
  return client;
}

function sendBy(variables: Record<string, string>, url: string) {
  return send(clientWith(variables), url);
}

function send(client: WebhookClient, url: string) {
  return client.send({ url, headers: {}, body: Buffer.from('{}'), signal: new AbortController().signal });
}

function zoneOf(...addresses: string[]): Zone {
  return () => addresses;
}

/** Connections to what nobody may reach. */
function arrivals(): number {
  return inside.connections.length + (insideV6?.connections.length ?? 0);
}
