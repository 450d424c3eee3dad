import { expect, it } from 'vitest';
import { DelegationError } from '#agents';
import { DELEGATION_KEY } from '#tasks';
import { type BranchTask } from '../../libs/agents/src/agent-task.js';
import { Fail, Reject } from '../../libs/agents/src/refusals.js';
import { delegations, looked, peerTask } from '../support/delegations.js';
import { textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { listening } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

/** Its task runs until it is stopped. */
const busy = () => engines.agent({ run: () => forever() });

it('has an agent of this server do something, and returns its task and its words', async () => {
  const engine = await engines.start();
  const child = engines.agent({
    async run(task) {
      await task.artifact({ name: 'total.txt' }).write('42');
      return `Hello ${textOf(task.message)} of ${task.tenant}/${task.principal}`;
    },
  });
  const parent = engines.agent({
    async run(task) {
      const { task: done, message } = await task.delegate(child, 'world');
      return JSON.stringify([done?.status?.state, done?.artifacts?.[0]?.parts, textOf(message)]);
    },
  });
  const task = await engine.send(parent, 'go');
  const told = ['TASK_STATE_COMPLETED', [{ text: '42' }], 'Hello world of acme/alice'];
  expect(JSON.parse(textOf(task.status?.message))).toEqual(told);
});

it('returns the words of an agent that answers without a task', async () => {
  const engine = await engines.start();
  const child = engines.agent({ respond: () => 'At once', run: () => forever() });
  const parent = engines.agent({
    async run(task) {
      const { task: none, message } = await task.delegate(child, 'now?');
      return `${none === undefined} ${textOf(message)}`;
    },
  });
  expect(textOf((await engine.send(parent, 'go')).status?.message)).toBe('true At once');
});

it('waits as a row: no run, no slot, and the caller’s own words unchanged', async () => {
  const engine = await engines.start({ config: { workerConcurrency: 1 } });
  const gate = new Gate();
  const child = engines.agent({ run: () => gate.opened.then(() => 'done') });
  const parent = engines.agent({
    async run(task) {
      await task.status('Waiting');
      return textOf((await task.delegate(child, 'go')).message);
    },
  });
  const { id } = await engine.submit(parent, 'go');
  // With one slot for both, the child runs only because the parent holds none.
  await listening(tables, id!);
  await tables.waitFor(async () =>
    expect(await delegations(tables, id!)).toMatchObject([{ state: 2, is_held: false }]),
  );
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'WORKING']);
  gate.open();
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(parent, id!)).status?.message)).toBe('done');
});

it('sends once for each call, however often the handler is replayed', async () => {
  const engine = await engines.start();
  let runs = 0;
  const messages: string[] = [];
  const child = engines.agent({
    run(task) {
      messages.push(textOf(task.message));
      return textOf(task.message).toUpperCase();
    },
  });
  const parent = engines.agent({
    retry: { attempts: 9, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      runs++;
      const words = [];
      for (const text of ['one', 'two', 'three']) {
        words.push(textOf((await task.delegate(child, text)).message));
        if (task.attempt === words.length) throw new Error('in between');
      }
      return words.join();
    },
  });
  expect(textOf((await engine.send(parent, 'go')).status?.message)).toBe('ONE,TWO,THREE');
  expect(messages).toEqual(['one', 'two', 'three']);
  expect(runs).toBeGreaterThan(4);
});

it('delegates from branches side by side', async () => {
  const engine = await engines.start();
  const child = engines.agent({
    async run(task) {
      if (textOf(task.message) === '3') await task.sleep('100ms');
      return `no. ${textOf(task.message)}`;
    },
  });
  const parent = engines.agent({
    async run(task) {
      const ask = (n: number) => async (branch: BranchTask) => {
        await branch.random();
        return textOf((await branch.delegate(child, String(n))).message);
      };
      return JSON.stringify(await task.all([1, 2, 3, 4, 5].map(ask)));
    },
  });
  const task = await engine.send(parent, 'go');
  expect(JSON.parse(textOf(task.status?.message))).toEqual([1, 2, 3, 4, 5].map((n) => `no. ${n}`));
  expect(await delegations(tables, task.id!)).toHaveLength(5);
});

it.each([
  ['failed', 'fail'],
  ['rejected', 'reject'],
])('throws a task that was %s, with the task in the error', async (reason, how) => {
  const engine = await engines.start();
  const child = engines.agent({
    run() {
      throw how === 'fail' ? new Fail('No stock') : new Reject('No stock');
    },
  });
  const parent = engines.agent({
    async run(task) {
      try {
        return textOf((await task.delegate(child, 'go')).message);
      } catch (error) {
        if (!(error instanceof DelegationError)) throw error;
        return `${error.reason}: ${textOf(error.task?.status?.message)}`;
      }
    },
  });
  expect(textOf((await engine.send(parent, 'go')).status?.message)).toBe(`${reason}: No stock`);
});

it('ends as failed without another attempt when nobody catches it, and tells the client nothing of the peer', async () => {
  const engine = await engines.start();
  let runs = 0;
  const parent = engines.agent({
    async run(task) {
      runs++;
      await task.delegate('nobody-here', 'go');
    },
  });
  const task = await engine.send(parent, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  expect(task.status?.message?.metadata).toMatchObject({ reason: 'delegation', delegation: 'refused' });
  expect(JSON.stringify(task)).not.toContain('nobody-here');
  expect(runs).toBe(1);
});

it.each([
  ['a peer that is none', (task: BranchTask) => task.delegate('ftp://files', 'go')],
  ['a password in the URL', (task: BranchTask) => task.delegate('http://me:secret@peer.example', 'go')],
  ['options that are not known', (task: BranchTask) => task.delegate('a', 'go', { retries: 3 } as object)],
  ['a time span that is none', (task: BranchTask) => task.delegate('a', 'go', { timeout: 'soon' })],
  ['content that is none', (task: BranchTask) => task.delegate('a', { parts: [{ text: 1 }] } as never)],
])('refuses %s, by the author’s log', async (_, call) => {
  const engine = await engines.start();
  const parent = engines.agent({ run: (task) => call(task).then(() => undefined) });
  const task = await engine.send(parent, 'go');
  expect(task.status?.message?.metadata).toMatchObject({ reason: 'error' });
  expect(engine.log.find(({ msg }) => msg === 'run.failed')).toMatchObject({ final: true, attempt: 1 });
  expect(await delegations(tables, task.id!)).toEqual([]);
});

it('returns a task that asks for something, and the next call answers it', async () => {
  const engine = await engines.start();
  const child = engines.agent({
    run: async (task) => `${textOf(task.message)} ${textOf(await task.requestInput('Which year?'))}`,
  });
  const parent = engines.agent({
    async run(task) {
      const { task: asking, message } = await task.delegate(child, 'The report of');
      const answer = { parts: `2026, as ${textOf(message)}`, taskId: asking!.id };
      return textOf((await task.delegate(child, answer)).message);
    },
  });
  expect(textOf((await engine.send(parent, 'go')).status?.message)).toBe('The report of 2026, as Which year?');
});

it('hands questions on to its own client, and the answers to the peer, as often as it asks', async () => {
  const engine = await engines.start();
  const child = engines.agent({
    async run(task) {
      const year = await task.requestInput([{ text: 'Which year?' }, { data: { from: 2020 } }]);
      const granted = await task.requestAuth('May I?');
      return `${textOf(year)} ${textOf(granted)}`;
    },
  });
  const parent = engines.agent({
    run: async (task) => textOf((await task.delegate(child, 'go', { relay: true })).message),
  });
  const asked = await engine.send(parent, 'go');
  expect(asked.status).toMatchObject({
    state: 'TASK_STATE_INPUT_REQUIRED',
    message: { parts: [{ text: 'Which year?' }, { data: { from: 2020 } }], taskId: asked.id },
  });
  const asking = await engine.send(parent, { taskId: asked.id, parts: [{ text: '2026' }] });
  expect(asking.status).toMatchObject({ state: 'TASK_STATE_AUTH_REQUIRED', message: { parts: [{ text: 'May I?' }] } });
  const done = await engine.send(parent, { taskId: asked.id, parts: [{ text: 'Yes' }] });
  expect(textOf(done.status?.message)).toBe('2026 Yes');
  expect(await delegations(tables, asked.id!)).toMatchObject([{ state: 5 }, { state: 5 }, { state: 5 }]);
});

it('refuses to hand questions on from a branch, which cannot ask', async () => {
  const engine = await engines.start();
  const child = busy();
  const parent = engines.agent({
    run: (task) => task.all([(branch) => branch.delegate(child, 'go', { relay: true })]).then(() => undefined),
  });
  await engine.send(parent, 'go');
  expect(engine.log.find(({ msg }) => msg === 'run.failed')?.err?.message).toMatch(
    /a branch of task.all cannot .* relay/,
  );
});

it('carries a cancel to the peer’s task', async () => {
  const engine = await engines.start();
  const child = busy();
  const parent = engines.agent({ run: (task) => task.delegate(child, 'go').then(() => undefined) });
  const { id } = await engine.submit(parent, 'go');
  const delegated = await peerTask(tables, id!);
  await engine.cancel(parent, id!);
  await tables.until(delegated, 'CANCELED');
  await looked(tables, id!);
});

it('carries a cancel to a peer’s task whose question it has handed on', async () => {
  const engine = await engines.start();
  const child = engines.agent({ run: (task) => task.requestInput('Well?').then(() => undefined) });
  const parent = engines.agent({ run: (task) => task.delegate(child, 'go', { relay: true }).then(() => undefined) });
  const { id } = await engine.send(parent, 'go');
  const delegated = await peerTask(tables, id!);
  await engine.cancel(parent, id!);
  await tables.until(delegated, 'CANCELED');
  await looked(tables, id!);
});

it('cancels what it has delegated when it ends without waiting for it', async () => {
  const engine = await engines.start();
  const begun = new Gate<string>();
  const child = engines.agent({
    run(task) {
      begun.open(task.id);
      return forever();
    },
  });
  const parent = engines.agent({
    async run(task) {
      const fails = () => begun.opened.then(() => Promise.reject(new Fail('never mind')));
      await task.all([(branch) => branch.delegate(child, 'go'), fails]);
    },
  });
  const { id } = await engine.send(parent, 'go');
  await tables.until(await begun.opened, 'CANCELED');
  await looked(tables, id!);
});

it('gives up when the time is over, and has the peer’s task canceled', async () => {
  const engine = await engines.start();
  const child = busy();
  const parent = engines.agent({
    async run(task) {
      const reason = await task.delegate(child, 'go', { timeout: '1500ms' }).then(
        () => 'done',
        (error: unknown) => (error as DelegationError).reason,
      );
      return `${reason}`;
    },
  });
  const task = await engine.send(parent, 'go');
  expect(textOf(task.status?.message)).toBe('deadline');
  const delegated = await peerTask(tables, task.id!);
  expect((await tables.states(delegated)).at(-1)).toMatch(/CANCELED|FAILED/);
});

it('passes its own deadline on', async () => {
  const engine = await engines.start();
  const child = busy();
  const parent = engines.agent({
    deadlineMs: 60_000,
    run: (task) => task.delegate(child, 'go', { timeout: '10m' }).then(() => undefined),
  });
  const { id } = await engine.submit(parent, 'go');
  const delegated = await peerTask(tables, id!);
  const deadlines = 'select distinct deadline from perdure.tasks where id = any($1) and deadline is not null';
  expect(await tables.rows(deadlines, [[id, delegated]])).toHaveLength(1);
  await engine.cancel(parent, id!);
});

it('ends a circle of agents at the depth that is set', async () => {
  const engine = await engines.start({ config: { delegationDepth: 3 } });
  const depths: unknown[] = [];
  const circle: string = engines.agent({
    async run(task) {
      depths.push(task.metadata[DELEGATION_KEY]);
      return textOf((await task.delegate(circle, 'again')).message);
    },
  });
  const task = await engine.send(circle, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  expect(new Set(depths.map((depth) => JSON.stringify(depth)))).toEqual(
    new Set([undefined, '{"depth":1}', '{"depth":2}', '{"depth":3}']),
  );
  const innermost = engine.log.find(({ msg }) => msg === 'run.failed');
  expect(innermost?.err?.message).toContain('PERDURE_DELEGATION_DEPTH');
});

it('goes on with the trace of its call, or the one that its request names', async () => {
  const engine = await engines.start();
  const child = engines.agent({ run: (task) => JSON.stringify(task.metadata.traceparent) });
  const parent = engines.agent({ run: async (task) => textOf((await task.delegate(child, 'go')).message) });
  const traceless = await engine.send(parent, 'go');
  expect(JSON.parse(textOf(traceless.status?.message))).toMatch(
    new RegExp(`^00-${traceless.id!.replaceAll('-', '')}-[0-9a-f]{16}-01$`),
  );
  const caller = { traceparent: `00-${'1f'.repeat(16)}-${'2e'.repeat(8)}-01` };
  const called = await engine.send(parent, 'go', { caller });
  expect(JSON.parse(textOf(called.status?.message))).toMatch(
    new RegExp(`^00-${'1f'.repeat(16)}-(?!2e2e)[0-9a-f]{16}-01$`),
  );
  const named = { traceparent: `00-${'3d'.repeat(16)}-${'4c'.repeat(8)}-00` };
  const both = await engine.send(parent, 'go', { caller, metadata: named });
  expect(JSON.parse(textOf(both.status?.message))).toContain('3d3d');
  const outer = engines.agent({
    async run(task) {
      const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00`;
      return textOf((await task.delegate(parent, 'go', { metadata: { traceparent, mine: 1 } })).message);
    },
  });
  const traced = JSON.parse(textOf((await engine.send(outer, 'go')).status?.message)) as string;
  // The author's own is not the trace of the call: that is the server's to say.
  expect(traced).not.toContain('abab');
});

it('wakes by itself where every signal between processes is lost', async () => {
  const accepting = await engines.start({ runs: false });
  const engine = await engines.start();
  const gate = new Gate();
  const child = engines.agent({ run: () => gate.opened.then(() => 'done') });
  const parent = engines.agent({ run: async (task) => textOf((await task.delegate(child, 'go')).message) });
  engine.tasks.signals.publish = () => undefined;
  const { id } = await accepting.submit(parent, 'go');
  await tables.waitFor(async () => expect(await delegations(tables, id!)).toMatchObject([{ state: 2 }]));
  gate.open();
  await tables.until(id!, 'COMPLETED');
});

it('sends anew when a task is reopened whose end had the peer’s task canceled', async () => {
  const engine = await engines.start();
  const begun: string[] = [];
  const first = new Gate();
  const child = engines.agent({
    async run(task) {
      begun.push(task.id);
      first.open();
      return begun.length === 1 ? forever() : 'done';
    },
  });
  const parent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      const checks = () => first.opened.then(() => begun.length > 0 && fails && Promise.reject(new Error('no')));
      const [said] = await task.all([(branch) => branch.delegate(child, 'go'), checks]);
      return textOf(said.message);
    },
  });
  let fails = true;
  const { id } = await engine.send(parent, 'go');
  await tables.until(begun[0]!, 'CANCELED');
  await looked(tables, id!);
  fails = false;
  const key = { tenantId: 'acme', taskId: id! };
  await engine.tasks.operator.act({ kind: 'retry' }, { keys: [key] });
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(parent, id!)).status?.message)).toBe('done');
  expect(begun).toHaveLength(2);
});

it('takes what came of it while the task stood as ended, when it is reopened', async () => {
  const engine = await engines.start();
  const gate = new Gate();
  let fails = true;
  const child = engines.agent({ run: () => gate.opened.then(() => 'done') });
  const parent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      const waits = (branch: BranchTask) => branch.delegate(child, 'go');
      const checks = (branch: BranchTask) => branch.step('check', () => fails && Promise.reject(new Error('no')));
      const [said] = await task.all([waits, checks]);
      return textOf(said.message);
    },
  });
  const { id } = await engine.send(parent, 'go');
  await looked(tables, id!);
  // As it is left by a follower that has stored the outcome, and found that nobody can be told.
  const outcome = {
    task: {
      id: crypto.randomUUID(),
      status: { state: 'TASK_STATE_COMPLETED', message: { parts: [{ text: 'done' }] } },
    },
  };
  await tables.rows('update perdure.task_delegations set outcome = $2 where task_id = $1', [
    id,
    JSON.stringify(outcome),
  ]);
  fails = false;
  await engine.tasks.operator.act({ kind: 'retry' }, { keys: [{ tenantId: 'acme', taskId: id! }] });
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(parent, id!)).status?.message)).toBe('done');
  expect(await delegations(tables, id!)).toHaveLength(1);
  gate.open();
});
