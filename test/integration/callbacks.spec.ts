import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { base64url, type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { type TaskPushNotificationConfigJson } from '#protocol';
import { delegations, lookLater, lookNow, looked, type StoredDelegation } from '../support/delegations.js';
import { freePort } from '../support/free-port.js';
import { useServers } from '../support/in-process-server.js';
import { fetchAnswer } from '../support/json-rpc.js';
import {
  aChunk,
  aStatus,
  aTask,
  type ReceivedCall,
  type Reply,
  type ScriptedAgent,
  useScriptedAgents,
} from '../support/scripted-agent.js';
import { useTables } from '../support/task-tables.js';

const port = await freePort();
const PUBLIC_URL = `http://127.0.0.1:${port}`;
const MAX_CALLBACK = 4_096;
const servers = useServers(1, {
  port,
  publicUrl: PUBLIC_URL,
  secretKeys: [randomBytes(32)],
  maxCallbackBytes: MAX_CALLBACK,
});
const tables = useTables({
  get url() {
    return servers.databaseUrl;
  },
});
const peers = useScriptedAgents();

type Script = (call: ReceivedCall, reply: Reply) => void;

/** A peer that works until `shown` says something else. */
class Peer {
  shown: object = aTask('WORKING');

  private constructor(readonly agent: ScriptedAgent) {}

  static async start(script?: Script, card: object = {}): Promise<Peer> {
    const agent = await peers((call, reply) => {
      if (script) script(call, reply);
      else if (call.method === 'SendMessage') reply.result({ task: aTask('WORKING') });
      else reply.result(peer.shown);
    });
    const peer = new Peer(agent);
    Object.assign(agent.card, { capabilities: { pushNotifications: true } }, card);
    return peer;
  }

  calls(method: string): ReceivedCall[] {
    return this.agent.calls.filter((call) => call.method === method);
  }

  /** The webhook that came with the newest message. */
  get webhook(): TaskPushNotificationConfigJson {
    return this.calls('SendMessage').at(-1)!.params.configuration!.taskPushNotificationConfig!;
  }
}

/** A task whose peer has been told, and which nobody looks at by himself any more. */
async function delegated(peer: Peer): Promise<string> {
  const { id } = await servers.rpc('errand').start({ data: { peer: peer.agent.url, errand: {} } });
  await lookLater(tables, id!);
  return id!;
}

function callBack(
  { url, token }: TaskPushNotificationConfigJson,
  body: unknown,
  headers: Record<string, string | undefined> = {},
) {
  const given = { 'content-type': 'application/a2a+json', 'x-a2a-notification-token': token, ...headers };
  return fetchAnswer(url!, {
    method: 'POST',
    headers: Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value ? [[name, value]] : []))),
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function said(id: string): Promise<unknown> {
  await tables.until(id, 'COMPLETED');
  const { status } = await servers.rpc('errand').get(id);
  return status?.message?.parts?.map(({ text }) => text).join('');
}

/** Whether the next look is still the one of `lookLater`. */
async function isLeftAlone(id: string): Promise<boolean> {
  const [row] = await delegations(tables, id);
  return row!.look_at!.getTime() > Date.now() + 50 * 60_000;
}

const NEWS = aStatus('COMPLETED', 'What the caller says');

describe('a peer that says that it pushes', () => {
  it('is given an address and a token with the message, of this delegation alone', async () => {
    const peer = await Peer.start();
    const ids = [await delegated(peer), await delegated(peer)];
    const webhooks = peer.calls('SendMessage').map(({ params }) => params.configuration!.taskPushNotificationConfig!);
    const [first, second] = webhooks as [TaskPushNotificationConfigJson, TaskPushNotificationConfigJson];
    const [{ id }] = (await delegations(tables, ids[0]!)) as [StoredDelegation];
    expect(first).toEqual({
      ...{ id: ids[0], url: `${PUBLIC_URL}/callbacks/${id}`, token: expect.stringMatching(/^[\w-]{43}$/) as unknown },
      authentication: { scheme: 'Bearer', credentials: first.token },
    });
    expect(first.token).not.toBe(second.token);
    const stored = JSON.stringify(
      await tables.rows('select * from perdure.task_delegations, perdure.delegation_callbacks'),
    );
    expect(stored).not.toContain(first.token);
  });

  it('is asked at once when it calls with news, and not believed', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    peer.shown = aTask('COMPLETED', { text: 'Bonjour' });
    expect(await callBack(peer.webhook, NEWS)).toMatchObject({ status: 204, text: '' });
    expect(await said(id)).toBe('The peer says: Bonjour');
  });

  it.each<[string, object, Record<string, string | undefined>]>([
    ['a task of A2A 1.0', { task: aTask('COMPLETED') }, {}],
    [
      'a task of 0.3',
      { kind: 'task', id: 't1', status: { state: 'completed' } },
      { 'content-type': 'application/json' },
    ],
    ['the header of the Go SDK', NEWS, { 'x-a2a-notification-token': undefined, 'a2a-notification-token': 'token' }],
    ['a bearer token', NEWS, { 'x-a2a-notification-token': undefined, authorization: 'Bearer token' }],
  ])('may call with %s', async (_, body, headers) => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    peer.shown = aTask('COMPLETED', { text: 'Bonjour' });
    const { token } = peer.webhook;
    const filled = Object.entries(headers).map(([name, value]) => [name, value?.replace(/\btoken$/, token!)]);
    expect((await callBack(peer.webhook, body, Object.fromEntries(filled))).status).toBe(204);
    expect(await said(id)).toBe('The peer says: Bonjour');
  });

  it('is not asked about what is no news; but from then on less often', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    expect(await delegations(tables, id)).toMatchObject([{ calls_back: false }]);
    for (const body of [{ task: aTask('WORKING') }, aStatus('WORKING', 'Still at it'), aChunk('a')]) {
      expect((await callBack(peer.webhook, body)).status).toBe(204);
    }
    expect(await delegations(tables, id)).toMatchObject([{ calls_back: true }]);
    expect(await isLeftAlone(id)).toBe(true);
    // After so many looks the pause is as long as it gets: five minutes, a fifth more or less.
    await tables.rows('update perdure.task_delegations set looks = 30, look_at = now() where task_id = $1', [id]);
    await tables.waitFor(async () => {
      const [row] = await delegations(tables, id);
      expect(row!.is_held).toBe(false);
      expect(row!.look_at!.getTime()).toBeGreaterThan(Date.now() + 60_000);
    });
    expect(await isLeftAlone(id)).toBe(false);
  });

  it('is looked at by its deadline, however seldom it is', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    await callBack(peer.webhook, { task: aTask('WORKING') });
    await tables.rows(
      `update perdure.task_delegations set looks = 30, look_at = now(), deadline = now() + interval '20 s' where task_id = $1`,
      [id],
    );
    await tables.waitFor(async () => {
      const [row] = await tables.rows<{ is_due: boolean }>(
        'select not is_held and look_at = deadline as is_due from perdure.task_delegations where task_id = $1',
        [id],
      );
      expect(row).toEqual({ is_due: true });
    });
  });

  it('is watched where it streams as long as it has not called, and then no more', async () => {
    const peer = await Peer.start((call, reply) => {
      if (call.method === 'SubscribeToTask') reply.event({ task: aTask('WORKING') });
      else reply.result(call.method === 'SendMessage' ? { task: aTask('WORKING') } : aTask('WORKING'));
      if (call.method === 'SubscribeToTask') reply.end();
    });
    Object.assign(peer.agent.card, { capabilities: { pushNotifications: true, streaming: true } });
    const id = await delegated(peer);
    await lookNow(tables);
    await tables.waitFor(async () => expect(peer.calls('SubscribeToTask').length).toBeGreaterThan(0));
    await lookLater(tables, id);
    await callBack(peer.webhook, { task: aTask('WORKING') });
    const [watched, asked] = [peer.calls('SubscribeToTask').length, peer.calls('GetTask').length];
    await lookNow(tables);
    await tables.waitFor(async () => expect(peer.calls('GetTask').length).toBeGreaterThan(asked));
    await lookLater(tables, id);
    expect(peer.calls('SubscribeToTask')).toHaveLength(watched);
  });

  it('ends what it was delegated also where it never calls', async () => {
    const peer = await Peer.start();
    const { id } = await servers.rpc('errand').start({ data: { peer: peer.agent.url, errand: {} } });
    peer.shown = aTask('COMPLETED', { text: 'Bonjour' });
    expect(await said(id!)).toBe('The peer says: Bonjour');
  });

  it('replaces its webhook with the one of the next message to the same task', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    const first = peer.webhook;
    peer.shown = aTask('INPUT_REQUIRED', { text: 'Formal?' });
    await callBack(first, aStatus('INPUT_REQUIRED'));
    await tables.until(id, 'INPUT_REQUIRED');
    await servers.rpc('errand').start({ data: {} }, { taskId: id });
    await tables.waitFor(async () => expect(peer.calls('SendMessage')).toHaveLength(2));
    expect(peer.webhook).toMatchObject({ id: first.id });
    expect(peer.webhook.url).not.toBe(first.url);
  });
});

describe('a peer that takes no webhook', () => {
  const REFUSALS: [string, (reply: Reply) => void][] = [
    ['says that it does not push after all', (reply) => reply.error(-32003, 'Push notifications are not supported')],
    ['does not like the address', (reply) => reply.error(-32602, 'url names a private address')],
    ['answers with a status', (reply) => reply.http(403, 'no webhooks')],
  ];

  it.each(REFUSALS)('gets the message without where it %s, and is not asked again', async (_, refuse) => {
    const peer = await Peer.start((call, reply) => {
      if (call.method !== 'SendMessage') reply.result(aTask('COMPLETED'));
      else if (call.params.configuration?.taskPushNotificationConfig) refuse(reply);
      else reply.result({ task: aTask('COMPLETED', { text: 'Bonjour' }) });
    });
    for (let i = 0; i < 2; i++) {
      const { id } = await servers.rpc('errand').start({ data: { peer: peer.agent.url, errand: {} } });
      expect(await said(id!)).toBe('The peer says: Bonjour');
    }
    const sent = peer.calls('SendMessage').map(({ params }) => params);
    expect(sent.map(({ configuration }) => Boolean(configuration?.taskPushNotificationConfig))).toEqual([
      true,
      false,
      false,
    ]);
    expect(sent[1]!.message!.messageId).toBe(sent[0]!.message!.messageId);
  });

  it('gets the message without after some tries where it fails over it', async () => {
    const peer = await Peer.start((call, reply) => {
      if (call.method === 'ListTasks') reply.error(-32601, 'Method not found');
      else if (call.params.configuration?.taskPushNotificationConfig) reply.error(-32603, 'Internal error');
      else reply.result({ task: aTask('COMPLETED', { text: 'Bonjour' }) });
    });
    const { id } = await servers.rpc('errand').start({ data: { peer: peer.agent.url, errand: {} } });
    await tables.waitFor(async () => {
      await lookNow(tables);
      expect((await tables.task(id!)).state).toBe(3);
    });
    expect(await said(id!)).toBe('The peer says: Bonjour');
  });
});

describe('a call that is not the peer’s', () => {
  const unknown = `${PUBLIC_URL}/callbacks/${randomUUID()}`;
  const CALLS: [string, number, (webhook: TaskPushNotificationConfigJson) => ReturnType<typeof fetchAnswer>][] = [
    ['without a token', 404, (webhook) => callBack(webhook, NEWS, { 'x-a2a-notification-token': undefined })],
    ['a forged token', 404, (webhook) => callBack({ ...webhook, token: webhook.token!.replace(/^./, '~') }, NEWS)],
    ['half a token', 404, (webhook) => callBack({ ...webhook, token: webhook.token!.slice(0, 20) }, NEWS)],
    ['no such delegation', 404, (webhook) => callBack({ ...webhook, url: unknown }, NEWS)],
    ['no id', 404, (webhook) => callBack({ ...webhook, url: `${PUBLIC_URL}/callbacks/%00` }, NEWS)],
    ['another task', 404, (webhook) => callBack(webhook, { task: { ...aTask('COMPLETED'), id: 't2' } })],
    ['no task', 400, (webhook) => callBack(webhook, {})],
    ['not JSON', 400, (webhook) => callBack(webhook, '{"task":')],
    ['another media type', 415, (webhook) => callBack(webhook, NEWS, { 'content-type': 'text/plain' })],
    ['no media type', 415, (webhook) => callBack(webhook, NEWS, { 'content-type': undefined })],
    ['compressed', 415, (webhook) => callBack(webhook, NEWS, { 'content-encoding': 'gzip' })],
    ['too large', 413, (webhook) => callBack(webhook, { ...NEWS, x: 'x'.repeat(MAX_CALLBACK) })],
  ];

  it('is refused, and brings nothing forward', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    const answers = await Promise.all(CALLS.map(([, , call]) => call(peer.webhook)));
    expect(answers.map(({ status }, i) => [CALLS[i]![0], status])).toEqual(
      CALLS.map(([what, status]) => [what, status]),
    );
    expect(answers.filter(({ text }) => text.includes(id))).toEqual([]);
    expect(await isLeftAlone(id)).toBe(true);
    expect(await delegations(tables, id)).toMatchObject([{ calls_back: false }]);
  });

  it('comes with the token of another delegation, and learns no more than one without', async () => {
    const mine = await Peer.start();
    const other = await Peer.start();
    const id = await delegated(mine);
    await delegated(other);
    const crossed = await callBack({ ...mine.webhook, token: other.webhook.token }, NEWS);
    const missing = await callBack({ ...mine.webhook, url: unknown }, NEWS);
    expect([crossed.status, crossed.json]).toEqual([404, missing.json]);
    expect(await isLeftAlone(id)).toBe(true);
  });

  it('costs the peer few looks, however often it is played again', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    const before = peer.calls('GetTask').length;
    const answers = await Promise.all(Array.from({ length: 60 }, () => callBack(peer.webhook, NEWS)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    await lookLater(tables, id);
    expect(peer.calls('GetTask').length - before).toBeLessThan(20);
    peer.shown = aTask('COMPLETED', { text: 'Bonjour' });
    await callBack(peer.webhook, NEWS);
    expect(await said(id)).toBe('The peer says: Bonjour');
  });

  it('is thanked for and changes nothing when the delegation is over', async () => {
    const peer = await Peer.start();
    const id = await delegated(peer);
    peer.shown = aTask('COMPLETED', { text: 'Bonjour' });
    await callBack(peer.webhook, NEWS);
    await looked(tables, id);
    const [before] = await delegations(tables, id);
    const asked = peer.agent.calls.length;
    expect((await callBack(peer.webhook, aStatus('FAILED'))).status).toBe(204);
    expect(await delegations(tables, id)).toEqual([before]);
    expect(peer.agent.calls).toHaveLength(asked);
  });
});

describe('a peer that signs', () => {
  const FILTERS = [{ uri: 'https://perdure.dev/extensions/push-filter/v1' }];

  async function signing(): Promise<{ peer: Peer; key: CryptoKey }> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const peer = await Peer.start();
    const header = base64url.encode(JSON.stringify({ alg: 'ES256', kid: 'k1', jku: peer.agent.jwksUrl }));
    Object.assign(peer.agent.card, {
      capabilities: { pushNotifications: true, extensions: FILTERS },
      signatures: [{ protected: header, signature: 'x' }],
    });
    peer.agent.jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] };
    return { peer, key: privateKey };
  }

  async function signature(key: CryptoKey, { url }: TaskPushNotificationConfigJson, claims: JWTPayload = {}) {
    const digest = createHash('sha256').update(JSON.stringify(NEWS)).digest('hex');
    const jwt = new SignJWT({ aud: url, taskId: 't1', request_body_sha256: digest, ...claims });
    return `Bearer ${await jwt.setIssuedAt().setExpirationTime('5m').setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key)}`;
  }

  it('is asked for what matters alone, signed by its own keys, and is heard then', async () => {
    const { peer, key } = await signing();
    const id = await delegated(peer);
    const { params, headers } = peer.calls('SendMessage')[0]!;
    expect(params.configuration!.taskPushNotificationConfig!.authentication).toEqual({ scheme: 'Bearer' });
    expect(headers).toMatchObject({
      'push-filter': expect.stringMatching(/^states=.*completed.*artifacts=false$/) as unknown,
      'a2a-extensions': expect.stringContaining(FILTERS[0]!.uri) as unknown,
    });
    peer.shown = aTask('COMPLETED', { text: 'Bonjour' });
    const authorization = await signature(key, peer.webhook);
    expect((await callBack(peer.webhook, NEWS, { authorization })).status).toBe(204);
    expect(await said(id)).toBe('The peer says: Bonjour');
  });

  it('is not heard without its signature, or with one of somebody else, for something else', async () => {
    const { peer, key } = await signing();
    const stranger = (await generateKeyPair('ES256')).privateKey;
    const id = await delegated(peer);
    const authorizations = [
      undefined,
      `Bearer ${peer.webhook.token}`,
      await signature(stranger, peer.webhook),
      await signature(key, { url: `${PUBLIC_URL}/callbacks/1` }),
      await signature(key, peer.webhook, { taskId: 't2' }),
      await signature(key, peer.webhook, { request_body_sha256: 'x' }),
    ];
    for (const authorization of authorizations) {
      expect(await callBack(peer.webhook, NEWS, { authorization })).toMatchObject({
        status: 401,
        json: { error: { status: 'UNAUTHENTICATED' } },
      });
    }
    expect(await isLeftAlone(id)).toBe(true);
    expect(peer.calls('GET /.well-known/jwks.json')).toHaveLength(1);
  });

  it('is told to come again where its keys cannot be read', async () => {
    const { peer, key } = await signing();
    const id = await delegated(peer);
    peer.agent.jwks = 'moved' as never;
    const authorization = await signature(key, peer.webhook);
    const answer = await callBack(peer.webhook, NEWS, { authorization });
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(await isLeftAlone(id)).toBe(true);
  });
});

it('asks a peer of A2A 0.3 in its own words', async () => {
  const working = { kind: 'task', id: 't1', contextId: 'c1', status: { state: 'working' } };
  const completed = { ...working, status: { state: 'completed' } };
  let webhook: TaskPushNotificationConfigJson | undefined;
  const peer = await Peer.start((call, reply) => {
    const { configuration } = call.params as { configuration?: { pushNotificationConfig?: typeof webhook } };
    if (call.method === 'message/send') {
      webhook = configuration?.pushNotificationConfig;
      reply.result(working);
    } else reply.result(completed);
  });
  Object.assign(peer.agent.card, {
    ...{ protocolVersion: '0.3.0', url: `${peer.agent.url}/rpc`, preferredTransport: 'JSONRPC' },
    ...{ supportedInterfaces: undefined, defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'] },
  });
  const id = await delegated(peer);
  expect(webhook).toMatchObject({ id, authentication: { schemes: ['Bearer'], credentials: webhook!.token } });
  expect((await callBack(webhook!, completed, { 'content-type': 'application/json' })).status).toBe(204);
  await tables.until(id, 'COMPLETED');
});
