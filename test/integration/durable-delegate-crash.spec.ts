import { afterEach, expect, it } from 'vitest';
import { CommitProxy, type Moment } from '../support/commit-proxy.js';
import { looked, peerTask } from '../support/delegations.js';
import { textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { listening } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { aTask, useScriptedAgents } from '../support/scripted-agent.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const peers = useScriptedAgents();
const proxies: CommitProxy[] = [];
const CONFIG = { leaseMs: 500 };
/** A backend that waits for a lock. */
const WAITS = { pid: expect.any(Number) as number, waits: true };
const MOMENTS: readonly Moment[] = ['its answer is lost', 'the next one is sent'];

afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});

/** Runs a task of the agent, and others whose process dies at one of its commits each: before its answer, or after it. */
async function dieEverywhere(agent: string, check: (id: string) => Promise<void>): Promise<void> {
  const commits = await undisturbed(agent, check);
  expect(commits).toBeGreaterThan(8);
  for (let commit = 2; commit < commits; commit++) {
    await dieAt(agent, { commit, moment: MOMENTS[commit % 2]! }, check);
  }
}

async function undisturbed(agent: string, check: (id: string) => Promise<void>): Promise<number> {
  const proxy = await proxyOf();
  const engine = await engines.start({ url: proxy.url, config: CONFIG });
  proxy.count();
  const { id } = await engine.submit(agent, 'go');
  await finish(id!, check);
  await engine.stop();
  return proxy.counted;
}

async function dieAt(
  agent: string,
  plan: { readonly commit: number; readonly moment: Moment },
  check: (id: string) => Promise<void>,
): Promise<void> {
  const proxy = await proxyOf();
  const first = await engines.start({ url: proxy.url, config: CONFIG, mayCrash: true });
  const died = new Gate();
  proxy.count({ ...plan, strike: () => died.open() });
  const { id } = await first.submit(agent, 'go');
  // Not every run takes every commit: two of them may have gone out as one.
  await Promise.race([died.opened, tables.until(id!, 'COMPLETED').then(() => looked(tables, id!))]);
  await first.crash();
  await tables.forget();
  const second = await engines.start({ config: CONFIG });
  await finish(id!, check);
  await second.stop();
}

async function proxyOf(): Promise<CommitProxy> {
  const proxy = await CommitProxy.start(database.url);
  proxies.push(proxy);
  return proxy;
}

async function finish(id: string, check: (id: string) => Promise<void>): Promise<void> {
  await tables.until(id, 'COMPLETED');
  await looked(tables, id);
  await check(id);
}

it(
  'makes one task of an agent of this server, wherever in between the process dies',
  { timeout: 180_000 },
  async () => {
    const child = engines.agent({ run: (task) => `done by ${task.id}` });
    const parent = engines.agent({ run: async (task) => textOf((await task.delegate(child, task.id)).message) });
    await dieEverywhere(parent, async (id) => {
      const children = await tables.rows<{ task_id: string }>(
        `select task_id from perdure.task_messages
       where input = 1 and message like '%"text":"' || $1::text || '"%' and task_id <> $1::uuid`,
        [id],
      );
      expect(children).toHaveLength(1);
    });
  },
);

it('sends one message to a peer elsewhere, wherever in between the process dies', { timeout: 180_000 }, async () => {
  const sent = new Map<string, Set<string>>();
  const peer = await peers(({ method, params }, reply) => {
    if (method === 'ListTasks') return reply.error(-32004, 'no');
    const done = aTask('COMPLETED', { text: 'Bonjour' });
    if (method !== 'SendMessage') return reply.result(done);
    const { messageId, parts } = params.message!;
    const text = parts![0]!.text!;
    sent.set(text, (sent.get(text) ?? new Set<string>()).add(messageId!));
    reply.result({ task: aTask('WORKING') });
  });
  const parent = engines.agent({ run: async (task) => textOf((await task.delegate(peer.url, task.id)).message) });
  await dieEverywhere(parent, (id) => {
    expect(sent.get(id)?.size).toBe(1);
    return Promise.resolve();
  });
});

it('tells the task what has come of it, although the database fails just then', async () => {
  const engine = await engines.start({ config: { databaseTimeoutMs: 500, leaseMs: 1_000 } });
  const gate = new Gate();
  const child = engines.agent({ run: () => gate.opened.then(() => 'done') });
  const parent = engines.agent({ run: async (task) => textOf((await task.delegate(child, 'go')).message) });
  const { id } = await engine.submit(parent, 'go');
  await listening(tables, id!);
  await peerTask(tables, id!);
  // The child can end; to tell the parent takes its row, and takes too long.
  const letGo = await tables.hold(id!);
  gate.open();
  await tables.untilBlocked('perdure');
  await tables.waitFor(async () => expect(await tables.backends('perdure')).not.toContainEqual(WAITS));
  await letGo();
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(parent, id!)).status?.message)).toBe('done');
});
