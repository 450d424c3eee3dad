import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '#platform';
import { DIALECTS, type DialectClient, DialectError, type Webhook } from '../support/dialect-clients.js';
import { useServers } from '../support/in-process-server.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { AGENT_FOLDERS } from './agent-folders.js';
import { UNKNOWN_ID } from './row.js';

const URL_1 = 'https://webhook.invalid/one';
const URL_2 = 'https://webhook.invalid/two';
const SECRETS = { token: 'tok-1', authentication: { schemes: ['Bearer'], credentials: 'cred-1' } };

const servers = useServers(1, {
  agentDirs: [...AGENT_FOLDERS],
  secretKeys: [randomBytes(32)],
  pushAllow: loadConfig({ PERDURE_PUSH_ALLOW: 'localhost' }).pushAllow,
});

const WAIT = { timeout: 10_000 };

/** A task in an older dialect, as far as it is looked at here. */
interface Body {
  readonly kind?: string;
  readonly id: string;
  readonly status: { readonly state: string };
  readonly artifacts?: readonly unknown[];
}

/** The code, by its name in JSON-RPC, and the text of the error that a call ends with. */
async function refusal(call: Promise<unknown>): Promise<[code: number, text: string]> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof DialectError) return [error.code, error.message];
  throw new Error('the call was not refused', { cause: error });
}

/** What a client is to be refused, and with what. */
const REFUSED: readonly [name: string, webhook: Webhook, text: RegExp][] = [
  ['an address of this machine', { url: 'http://127.0.0.1:9/' }, /\burl names 127\.0\.0\.1/],
  ['a token with a line end', { url: URL_1, token: 'a\r\nb: c' }, /\btoken /],
  [
    'credentials with a line end',
    { url: URL_1, authentication: { schemes: ['Bearer'], credentials: 'a\nb' } },
    /\bauthentication\.credentials /,
  ],
  [
    'a scheme that is none',
    { url: URL_1, authentication: { schemes: ['a b'], credentials: 'c' } },
    /\bauthentication\.schemes /,
  ],
];

describe.concurrent.each(Object.entries(DIALECTS))('webhooks in %s', (_name, connect) => {
  const clients = new Map<string, DialectClient>();
  const client = (agent = 'conformance'): DialectClient => {
    if (!clients.has(agent)) clients.set(agent, connect(servers, agent));
    return clients.get(agent)!;
  };
  afterAll(() => {
    for (const opened of clients.values()) opened.close?.();
  });

  it.concurrent('are set and read under the id of their client, without token and credentials', async () => {
    const task = await client().send('tck-complete-task');
    const set = await client().set(task, { id: 'p', url: URL_1, ...SECRETS });
    expect(set).toEqual({ id: 'p', url: URL_1, authentication: { schemes: ['Bearer'] } });
    expect(await client().get(task, 'p')).toEqual(set);
  });

  it.concurrent('without an id are the only one of their task, and go by its id', async () => {
    const task = await client().send('tck-complete-task');
    await client().set(task, { url: URL_1 });
    await client().set(task, { url: URL_2 });
    expect(await client().get(task)).toMatchObject({ url: URL_2 });
    expect((await client().list?.(task)) ?? [1]).toHaveLength(1);
  });

  it.concurrent('come with a message', async () => {
    const task = await client().send('tck-complete-task', { url: URL_1, ...SECRETS });
    expect(await client().get(task)).toMatchObject({ url: URL_1, authentication: { schemes: ['Bearer'] } });
    await client().set(task, { url: URL_2 });
    expect(await client().get(task)).toMatchObject({ url: URL_2 });
  });

  it.concurrent(
    'are told of their task in their own dialect, by the name that its client knows it by',
    async ({ onTestFinished }) => {
      const hook = await WebhookReceiver.start();
      onTestFinished(() => hook.stop());
      const task = await client().send('tck-artifact-text', { url: hook.url().replace('127.0.0.1', 'localhost') });
      const bodies = () => hook.received.map(({ body }) => JSON.parse(body) as Body);
      await vi.waitFor(() => expect(bodies().map(({ status }) => status.state)).toContain('completed'), WAIT);
      const own = task.startsWith('mine') ? undefined : 'task';
      for (const { kind, id } of bodies()) expect([kind, id]).toEqual([own, task]);
      expect(bodies().map(({ artifacts }) => artifacts?.length)).toContain(1);
      for (const { headers } of hook.received) expect(headers['content-type']).toBe('application/json');
    },
  );

  it.concurrent('are listed and deleted', async () => {
    const task = await client().send('tck-complete-task');
    for (const id of ['a', 'b']) await client().set(task, { id, url: URL_1 });
    const ids = async () => (await client().list!(task)).map(({ id }) => id).sort();
    // The first dialect has a word for neither.
    if (!client().list) return;
    expect(await ids()).toEqual(['a', 'b']);
    for (let i = 0; i < 2; i++) await client().drop!(task, 'a');
    expect(await ids()).toEqual(['b']);
    expect((await refusal(client().get(task, 'a')))[0]).toBe(-32001);
  });

  it.concurrent('of a task that is not there are not found', async () => {
    for (const task of [UNKNOWN_ID, 'nothing']) {
      expect((await refusal(client().set(task, { url: URL_1 })))[0]).toBe(-32001);
      expect((await refusal(client().get(task, 'p')))[0]).toBe(-32001);
      if (!client().list) continue;
      expect((await refusal(client().list!(task)))[0]).toBe(-32001);
      expect((await refusal(client().drop!(task, 'p')))[0]).toBe(-32001);
    }
  });

  it.concurrent('are refused where the card says no', async () => {
    expect((await refusal(client('reduced').set(UNKNOWN_ID, { url: URL_1 })))[0]).toBe(-32003);
    expect((await refusal(client('reduced').get(UNKNOWN_ID, 'p')))[0]).toBe(-32003);
    expect((await refusal(client('reduced').send('x', { url: URL_1 })))[0]).toBe(-32003);
  });

  it.concurrent.each(REFUSED)(
    'are refused for %s, by the name that the field has there',
    async (_what, webhook, text) => {
      const task = await client().send('tck-complete-task');
      const refused = [-32602, expect.stringMatching(text)];
      expect(await refusal(client().set(task, webhook))).toEqual(refused);
      expect(await refusal(client().send('tck-complete-task', webhook))).toEqual(refused);
    },
  );
});
