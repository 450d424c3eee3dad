import { expect, it } from 'vitest';
import { DelegationError } from '#agents';
import { delegations, lookNow, looked } from '../support/delegations.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { aStatus, aTask, type ReceivedCall, type Reply, useScriptedAgents } from '../support/scripted-agent.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const peers = useScriptedAgents();

type Script = (call: ReceivedCall, reply: Reply) => void;

/** The id of an agent that delegates to the URL it is told, and says what has come of it. */
function delegating(options: object = {}): string {
  return engines.agent({
    async run(task) {
      try {
        const result = await task.delegate(textOf(task.message), 'Good morning', options);
        return `${result.task?.status?.state ?? 'no task'}: ${textOf(result.message)}`;
      } catch (error) {
        if (!(error instanceof DelegationError)) throw error;
        return `${error.reason}: ${error.message}`;
      }
    },
  });
}

/** What an agent comes to that delegates to a peer with this script. */
async function outcome(script: Script, card: object = {}, engine?: Engine): Promise<string> {
  const peer = await peers(script);
  Object.assign(peer.card, card);
  const task = await (engine ?? (await engines.start())).send(delegating(), peer.url);
  await looked(tables, task.id!);
  return textOf(task.status?.message);
}

const methods = ({ calls }: { calls: readonly ReceivedCall[] }) => calls.map(({ method }) => method);

it('sends under an idempotency key, and polls until the task has ended', async () => {
  const engine = await engines.start();
  let polls = 0;
  const peer = await peers((call, reply) => {
    if (call.method === 'SendMessage') reply.result({ task: aTask('SUBMITTED') });
    else reply.result(++polls < 2 ? aTask('WORKING') : aTask('COMPLETED', { text: 'Bonjour' }));
  });
  const agent = delegating({ timeout: '1h', metadata: { mine: true } });
  const task = await engine.send(agent, peer.url);
  expect(textOf(task.status?.message)).toBe('TASK_STATE_COMPLETED: Bonjour');
  expect(methods(peer)).toEqual(['GET /.well-known/agent-card.json', 'SendMessage', 'GetTask', 'GetTask']);
  const { params, headers } = peer.calls[1]!;
  const { id } = (await delegations(tables, task.id!))[0]!;
  expect(headers).toMatchObject({
    'idempotency-key': id,
    'a2a-version': '1.0',
    'a2a-extensions': 'https://perdure.dev/extensions/scheduling/v1',
  });
  expect(headers.traceparent).toBe((params.metadata as { traceparent: string }).traceparent);
  expect(params).toMatchObject({
    message: { messageId: id, role: 'ROLE_USER', parts: [{ text: 'Good morning' }] },
    configuration: { returnImmediately: true },
    metadata: {
      mine: true,
      'https://perdure.dev/extensions/delegation/v1': { depth: 1 },
      'https://perdure.dev/extensions/scheduling/v1': { deadline: expect.stringMatching(/Z$/) as unknown },
    },
  });
});

it('watches the task where the peer’s card says that it can', async () => {
  const engine = await engines.start();
  let watched: Reply | undefined;
  const peer = await peers((call, reply) => {
    if (call.method === 'SendMessage') reply.result({ task: aTask('WORKING') });
    else if (call.method === 'GetTask') reply.result(aTask('COMPLETED', { text: 'Bonjour' }));
    else (watched = reply).event({ task: aTask('WORKING') });
  });
  Object.assign(peer.card, { capabilities: { streaming: true } });
  const { id } = await engine.submit(delegating(), peer.url);
  await expect.poll(() => watched, { timeout: 10_000 }).toBeDefined();
  expect(methods(peer)).not.toContain('GetTask');
  watched!.event(aStatus('COMPLETED', 'Bonjour'));
  await tables.until(id!, 'COMPLETED');
  expect(methods(peer).filter((method) => method === 'GetTask')).toHaveLength(1);
});

it('polls where no stream is free', async () => {
  const engine = await engines.start({ config: { maxPeerStreams: 0 } });
  const script: Script = (call, reply) =>
    call.method === 'SendMessage' ? reply.result({ task: aTask('WORKING') }) : reply.result(aTask('COMPLETED'));
  expect(await outcome(script, { capabilities: { streaming: true } }, engine)).toBe('TASK_STATE_COMPLETED: ');
});

it('takes an answer without a task', async () => {
  const message = { messageId: 'm1', role: 'ROLE_AGENT', parts: [{ text: 'Bonjour' }] };
  expect(await outcome((_, reply) => reply.result({ message }))).toBe('no task: Bonjour');
});

it('asks no peer to call back where it has no address of its own', async () => {
  const script: Script = (call, reply) =>
    call.params.configuration && 'taskPushNotificationConfig' in call.params.configuration
      ? reply.error(-32602, 'there is a webhook')
      : reply.result({ task: aTask('COMPLETED') });
  expect(await outcome(script, { capabilities: { pushNotifications: true } })).toBe('TASK_STATE_COMPLETED: ');
});

it('tries again while the peer is down, and then sends the same message', async () => {
  const engine = await engines.start();
  let isUp = false;
  const peer = await peers((call, reply) => {
    if (!isUp) reply.http(503, 'starting');
    else if (call.method === 'ListTasks') reply.error(-32601, 'Method not found');
    else reply.result({ task: aTask('COMPLETED', { text: 'Bonjour' }) });
  });
  const { id } = await engine.submit(delegating(), peer.url);
  await tables.waitFor(async () => expect(methods(peer)).toContain('SendMessage'));
  isUp = true;
  await tables.until(id!, 'COMPLETED');
  const sent = peer.calls.filter(({ method }) => method === 'SendMessage');
  expect(sent.length).toBeGreaterThan(1);
  expect(new Set(sent.map(({ params }) => params.message?.messageId)).size).toBe(1);
  expect(new Set(sent.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
});

it('does not send again what a lost answer hides, where the peer lists its tasks', async () => {
  let sent: ReceivedCall | undefined;
  let sends = 0;
  const script: Script = (call, reply) => {
    const history = sent && [sent.params.message];
    if (call.method === 'SendMessage') {
      sends++;
      sent = call;
      reply.cut();
    } else if (call.method === 'ListTasks')
      reply.result({ tasks: [{ ...aTask('WORKING'), history }], totalSize: 1, pageSize: 100, nextPageToken: '' });
    else reply.result(aTask('COMPLETED', { text: 'Bonjour' }));
  };
  expect(await outcome(script)).toBe('TASK_STATE_COMPLETED: Bonjour');
  expect(sends).toBe(1);
});

it('gives up a peer that does not answer for as long as is set', async () => {
  const engine = await engines.start({ config: { peerOutageMs: 500 } });
  expect(await outcome((_, reply) => reply.http(500, ''), {}, engine)).toMatch(/^unreachable: .* answers 500/);
});

it('gives up a call that takes too long, and tries it again', async () => {
  const engine = await engines.start({ config: { peerTimeoutMs: 200, peerOutageMs: 1 } });
  expect(await outcome(() => undefined, {}, engine)).toMatch(/^unreachable: /);
});

it.each<[string, string, Script]>([
  ['an error of the protocol', 'refused', (_, reply) => reply.error(-32005, 'No morse code')],
  ['a status that refuses', 'refused', (_, reply) => reply.http(401, 'who are you?')],
  ['a redirect', 'refused', (_, reply) => reply.http(302, '')],
  ['what is not JSON', 'invalid', (_, reply) => reply.http(200, '<html>')],
  ['what is no task', 'invalid', (_, reply) => reply.result({ task: { id: 7, status: 'done' } })],
  ['a task without an id', 'invalid', (_, reply) => reply.result({ task: { ...aTask('WORKING'), id: '' } })],
  ['nothing', 'invalid', (_, reply) => reply.result({})],
  ['too much', 'invalid', (_, reply) => reply.result({ task: aTask('COMPLETED', { text: 'x'.repeat(100_000) }) })],
])('ends with an error when the peer answers with %s', async (_, reason, script) => {
  const engine = await engines.start({ config: { peerResponseBytes: 50_000 } });
  expect(await outcome(script, {}, engine)).toMatch(new RegExp(`^${reason}: `));
});

it('ends with an error when the peer has lost the task, or gives another', async () => {
  const script =
    (then: Script): Script =>
    (call, reply) =>
      call.method === 'SendMessage' ? reply.result({ task: aTask('WORKING') }) : then(call, reply);
  const engine = await engines.start();
  expect(
    await outcome(
      script((_, reply) => reply.error(-32001, 'Task not found')),
      {},
      engine,
    ),
  ).toMatch(/^lost: /);
  const other = script((_, reply) => reply.result({ ...aTask('COMPLETED'), id: 't2' }));
  expect(await outcome(other, {}, engine)).toMatch(/^invalid: .*another task/);
});

it('ends with an error when what came of it is larger than an event may be', async () => {
  const engine = await engines.start({ config: { maxEventBytes: 20_000 } });
  const huge = aTask('COMPLETED', { text: 'x'.repeat(30_000) });
  expect(await outcome((_, reply) => reply.result({ task: huge }), {}, engine)).toMatch(
    /^invalid: .*PERDURE_MAX_EVENT/,
  );
});

it('calls no address that the peer’s card names at another origin, unless it is allowed', async () => {
  const elsewhere = await peers((_, reply) => reply.result({ task: aTask('COMPLETED', { text: 'from there' }) }));
  const card = {
    supportedInterfaces: [{ url: `${elsewhere.url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  };
  expect(await outcome(() => undefined, card)).toMatch(/^refused: .*PERDURE_PEERS/);
  expect(elsewhere.calls).toEqual([]);
});

it('calls an address at another origin where that is allowed', async () => {
  const elsewhere = await peers((_, reply) => reply.result({ task: aTask('COMPLETED', { text: 'from there' }) }));
  const peer = await peers(() => undefined);
  const endpoint = { url: `${elsewhere.url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' };
  Object.assign(peer.card, { supportedInterfaces: [endpoint] });
  const engine = await engines.start({ config: { peers: [peer.url, elsewhere.url] } });
  const task = await engine.send(delegating(), peer.url);
  expect(textOf(task.status?.message)).toBe('TASK_STATE_COMPLETED: from there');
});

it('delegates to no origin that is not among those that are allowed', async () => {
  const engine = await engines.start({ config: { peers: ['https://agents.example'] } });
  const peer = await peers(() => undefined);
  const task = await engine.send(delegating(), peer.url);
  expect(textOf(task.status?.message)).toMatch(/^refused: .*PERDURE_PEERS/);
  expect(peer.calls).toEqual([]);
  expect(await delegations(tables, task.id!)).toEqual([]);
});

it('hands a question on, waits while the peer still shows it, and takes up what comes after the answer', async () => {
  const engine = await engines.start();
  const asking = aTask('INPUT_REQUIRED', { text: 'Formal?' });
  let shown: object = asking;
  const peer = await peers((call, reply) => {
    if (call.method === 'GetTask') reply.result(shown);
    else reply.result({ task: asking });
  });
  const agent = delegating({ relay: true });
  const asked = await engine.send(agent, peer.url);
  expect(asked.status).toMatchObject({ state: 'TASK_STATE_INPUT_REQUIRED', message: { parts: [{ text: 'Formal?' }] } });
  const { id } = await engine.submit(agent, { taskId: asked.id, parts: [{ text: 'Yes' }] });
  await tables.waitFor(async () =>
    expect(peer.calls.filter(({ method }) => method === 'SendMessage').at(-1)?.params.message).toMatchObject({
      ...{ taskId: 't1', contextId: 'c1', parts: [{ text: 'Yes' }] },
    }),
  );
  shown = { ...aTask('COMPLETED', { text: 'Bonjour, Madame' }) };
  await lookNow(tables);
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(agent, id!)).status?.message)).toBe('TASK_STATE_COMPLETED: Bonjour, Madame');
  expect(peer.calls.filter(({ method }) => method === 'SendMessage')).toHaveLength(2);
});

it('carries a cancel to the peer, in the middle of a stream too', async () => {
  const engine = await engines.start();
  const peer = await peers((call, reply) => {
    if (call.method === 'SubscribeToTask') reply.event({ task: aTask('WORKING') });
    else if (call.method === 'SendMessage') reply.result({ task: aTask('WORKING') });
    else reply.result(aTask(call.method === 'CancelTask' ? 'CANCELED' : 'WORKING'));
  });
  Object.assign(peer.card, { capabilities: { streaming: true } });
  const agent = delegating();
  const { id } = await engine.submit(agent, peer.url);
  await tables.waitFor(async () => expect(methods(peer)).toContain('SubscribeToTask'));
  await engine.cancel(agent, id!);
  await tables.waitFor(async () => expect(methods(peer)).toContain('CancelTask'));
  await looked(tables, id!);
});

it('cancels a task whose making the cancel has overtaken', async () => {
  const engine = await engines.start();
  let answer: (() => void) | undefined;
  const peer = await peers((call, reply) => {
    if (call.method === 'SendMessage') answer = () => reply.result({ task: aTask('WORKING') });
    else reply.result(aTask(call.method === 'CancelTask' ? 'CANCELED' : 'WORKING'));
  });
  const agent = delegating();
  const { id } = await engine.submit(agent, peer.url);
  await expect.poll(() => answer, { timeout: 10_000 }).toBeDefined();
  await engine.cancel(agent, id!);
  answer!();
  await tables.waitFor(async () => expect(methods(peer)).toContain('CancelTask'));
  await looked(tables, id!);
});
