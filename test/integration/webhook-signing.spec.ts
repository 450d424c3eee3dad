import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createRemoteJWKSet, type JWK, jwtVerify } from 'jose';
import { Webhook } from 'standardwebhooks';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { loadConfig, packageRoot } from '#platform';
import { checkDelivery, webhookPublicKey } from '#push';
import { deliveryOf } from '#tasks';
import { startServer } from '../../apps/server/src/server.js';
import { EXAMPLE_AGENTS, TEST_AGENTS } from '../support/agent-folders.js';
import { cli, CliRun } from '../support/cli.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

interface LegacyTask {
  readonly kind: string;
  readonly status: { readonly state: string };
  readonly artifacts?: readonly { readonly parts: readonly { readonly text: string }[] }[];
  readonly history?: unknown;
}

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const SECRET_KEY = Buffer.alloc(32, 7).toString('base64');
/** So slow that what waits for it lasts through the test. */
const ANSWER_MS = 15;
const database = useDatabase();
const tables = useTables(database);

/** A receiver that answers as it is told, one request after the other. */
async function listen(answer: (request: Received) => Promise<number> | number): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { headers } = request;
      void Promise.resolve(answer({ headers, body: Buffer.concat(chunks) })).then((status) =>
        response.writeHead(status).end(),
      );
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?for=me`;
}

/** One server for all: what a test leaves in a lane goes to a receiver that is gone, and disturbs nobody. */
let server: string;

beforeAll(async () => {
  const env = { DATABASE_URL: database.url, PERDURE_SECRET_KEY: SECRET_KEY };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const settings = {
    ...env,
    ...{ PORT: '0', GRPC_PORT: 'off', PERDURE_LOG_LEVEL: 'silent', PERDURE_AGENTS: `${EXAMPLE_AGENTS},${TEST_AGENTS}` },
    ...{ PERDURE_PUSH_ALLOW: '127.0.0.1,localhost', PERDURE_PUSH_RETRY: '0,10ms,10ms', PERDURE_DRAIN: '100ms' },
  };
  const running = await startServer(loadConfig(settings));
  server = running.url;
  return async () => {
    vi.unstubAllEnvs();
    await running.stop();
  };
});

async function keysOf(): Promise<(JWK & { whpk?: string })[]> {
  return ((await (await fetch(`${server}/.well-known/jwks.json`)).json()) as { keys: (JWK & { whpk?: string })[] })
    .keys;
}

/** Has the agent emit so many chunks, with a webhook; gives the answer. */
async function burst(chunks: number, url: string): Promise<Response> {
  const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ data: { chunks } }] };
  const taskPushNotificationConfig = { url, authentication: { scheme: 'Bearer' }, token: 'said-by-client' };
  const response = await fetch(`${server}/agents/burst/message:send`, {
    method: 'POST',
    headers: { 'a2a-version': '1.0', 'content-type': 'application/json' },
    body: JSON.stringify({ message, configuration: { returnImmediately: true, taskPushNotificationConfig } }),
  });
  expect(response.status).toBe(200);
  return response;
}

/** What somebody holds who has been told of a webhook's secret, and of the server's keys. */
class Holder {
  secret = '';
  whpk = '';
  readonly kids = new Set<string>();
  readonly problems: string[] = [];
  latest: Received | undefined;
  private readonly remote;

  constructor(private readonly url: () => string) {
    // No rest between two looks: the keys change faster here than anywhere else.
    this.remote = createRemoteJWKSet(new URL(`${server}/.well-known/jwks.json`), { cooldownDuration: 0 });
  }

  /** 200 for what verifies by each of the three ways. */
  async verify(request: Received): Promise<number> {
    const { headers, body } = request;
    const given = headers as Record<string, string>;
    try {
      new Webhook(this.secret).verify(body, given);
      const expected = { issuer: server, audience: this.url() };
      const token = given.authorization!.replace('Bearer ', '');
      const { payload, protectedHeader } = await jwtVerify(token, this.remote, expected);
      expect(payload.jti).toMatch(`${given['webhook-id']}.`);
      this.kids.add(protectedHeader.kid!);
      const keys = [webhookPublicKey(this.whpk)!];
      const findings = await checkDelivery({ headers: { ...given, authorization: undefined }, body, keys });
      expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
      expect(given['x-a2a-notification-token']).toBe('said-by-client');
    } catch (error) {
      this.problems.push(`${given['webhook-id']}: ${String(error)}`);
    }
    this.latest = request;
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    return 200;
  }
}

function isSignedWith(secret: string, request: Received | undefined): boolean {
  try {
    return request !== undefined && new Webhook(secret).verify(request.body, request.headers as never) !== undefined;
  } catch {
    return false;
  }
}

const PATIENCE = { timeout: 15_000, interval: 10 };

it('verifies by secret, token and key at each moment, while all of them are replaced every two seconds', async () => {
  let url = '';
  const holder = new Holder(() => url);
  let uid = '';
  let told = Promise.resolve();
  const known = new Set<string>();
  const newKey = async () => {
    const [whpk] = (await keysOf()).flatMap((key) => (key.whpk === undefined || known.has(key.whpk) ? [] : [key.whpk]));
    known.add(whpk!);
    return whpk!;
  };
  url = await listen(async (request) => {
    await told;
    uid = deliveryOf(String(request.headers['webhook-id']))!.configUid;
    return holder.verify(request);
  });
  holder.whpk = await newKey();
  told = burst(1_000, url).then(({ headers }) => void (holder.secret = headers.get('webhook-secret')!));
  await expect.poll(() => holder.kids.size, PATIENCE).toBe(1);

  for (let round = 1; round <= 2; round += 1) {
    const keys = await cli('keys', 'rotate', '--lead', '2s', '--keep', '5s');
    const secret = await cli('webhooks', 'rotate', server, uid, '--keep', '5s', '--json');
    expect([keys.stderr, secret.stderr]).toEqual(['', '']);
    const next = (JSON.parse(secret.stdout) as { secret: string }).secret;
    await expect.poll(() => isSignedWith(next, holder.latest), PATIENCE).toBe(true);
    holder.secret = next;
    // Until here it holds the key that has signed before, and now signs beside the new one.
    await expect.poll(() => holder.kids.size, PATIENCE).toBe(round + 1);
    await expect.poll(() => holder.latest?.headers['webhook-signature'], PATIENCE).toMatch(/(v1a,\S+ ?){2}/);
    holder.whpk = await newKey();
  }
  expect(holder.problems).toEqual([]);
});

/** What a webhook is sent up to the end of its task, once each; the second event is acknowledged at its third attempt alone. */
async function deliveries(
  send: (url: string) => Promise<Response>,
): Promise<{ answer: Response; received: Received[] }> {
  const requests: Received[] = [];
  const attempts = (id: string) => requests.filter(({ headers }) => headers['webhook-id'] === id);
  const url = await listen((request) => {
    requests.push(request);
    const id = String(request.headers['webhook-id']);
    return id.endsWith('_2') && attempts(id).length < 3 ? 500 : 200;
  });
  const answer = await send(url);
  await expect.poll(() => /completed/i.test(requests.at(-1)?.body.toString() ?? ''), PATIENCE).toBe(true);
  for (const { headers, body } of requests) {
    new Webhook(answer.headers.get('webhook-secret')!).verify(body, headers as Record<string, string>);
  }
  const ids = [...new Set(requests.map(({ headers }) => String(headers['webhook-id'])))];
  expect(ids).toEqual(ids.map((_, index) => expect.stringMatching(new RegExp(`_${index + 1}$`))));
  expect(ids.map((id) => attempts(id).length)).toEqual(ids.map((_, index) => (index === 1 ? 3 : 1)));
  const [first, ...again] = attempts(ids[1]!);
  for (const { body } of again) expect(body).toEqual(first!.body);
  return { answer, received: ids.map((id) => attempts(id)[0]!) };
}

it('sends the events as the log has them, the same bytes under the same id at each attempt', async () => {
  const { answer, received } = await deliveries((url) => burst(2, url));
  const { task } = (await answer.json()) as { task: { id: string } };
  const log = await tables.rows<{ event: string }>(
    'select event from perdure.task_events where task_id = $1 order by sequence',
    [task.id],
  );
  expect(received.map(({ body }) => body.toString())).toEqual(log.map(({ event }) => event));
  expect(received[0]!.headers).toMatchObject({ 'content-type': 'application/a2a+json', 'a2a-version': '1.0' });
});

it('sends a webhook of 0.3 the task as each event has left it, the same at each attempt', async () => {
  const message = { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'data', data: { chunks: 3 } }] };
  const { received } = await deliveries((url) => {
    const params = { message, configuration: { blocking: false, pushNotificationConfig: { url } } };
    return fetch(`${server}/agents/burst`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'message/send', params }),
    });
  });
  const tasks = received.map(({ body }) => JSON.parse(body.toString()) as LegacyTask);
  expect(tasks.every(({ kind, history }) => kind === 'task' && history === undefined)).toBe(true);
  expect([...new Set(tasks.map(({ status }) => status.state))]).toEqual(['submitted', 'working', 'completed']);
  const texts = tasks.map(({ artifacts = [] }) =>
    artifacts.flatMap(({ parts }) => parts.map(({ text }) => text)).join(''),
  );
  expect([...new Set(texts)]).toEqual(['', '1;', '1;2;', '1;2;3;']);
  expect(received[0]!.headers['content-type']).toBe('application/json');
});

it('goes as in the README', async () => {
  const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
  const [session] = readme.split('## Webhooks that arrive')[1]!.split('## ');
  const [, listen] = /npx perdure (webhooks listen \S+ \S+)/.exec(session!)!;
  const [, url, data] = /^\$ curl \S+ (\S+) .*? -d '([^']+)'/ms.exec(session!)!;
  const here = (text: string) => text.replaceAll('http://localhost:8080', server);
  const listener = new CliRun([...here(listen!).split(' '), '--port', '0', '--count', '3']);
  await listener.shows('Listening on');
  const [, port] = /:(\d+)\//.exec(listener.stderr)!;
  const headers = { 'a2a-version': '1.0', 'content-type': 'application/json' };
  const body = data!.replace(':8090', `:${port}`);
  expect((await fetch(here(url!), { method: 'POST', headers, body })).headers.get('webhook-secret')).toMatch(/^whsec_/);
  expect(await listener.ended).toBe(0);
  const printed = listener.stdout.split('\n').filter(Boolean);
  const shown = session!.slice(session!.indexOf('\n20'), session!.lastIndexOf('```')).split('\n').filter(Boolean);
  const forms = (lines: readonly string[]) => lines.map((line) => line.replace(/^\S+Z|[0-9a-f-]{36}/g, '…'));
  expect(forms(printed)).toEqual(forms(shown));
});
