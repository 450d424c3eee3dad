import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type AgentTask } from '../../libs/agents/src/sdk.js';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const ONCE = { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 };
const LIMIT_MS = 1_000;

/** How a handler ends that may be silent for a second. */
async function endOf(engine: Engine, run: (task: AgentTask) => unknown): Promise<string> {
  const agent = engines.agent({
    retry: ONCE,
    inactivityMs: LIMIT_MS,
    run: async (task) => (await run(task)) as string,
  });
  const { status } = await engine.send(agent, 'go');
  const reason = status?.message?.metadata?.reason;
  return typeof reason === 'string' ? reason : textOf(status?.message);
}

describe('a run without a sign of life', () => {
  it('ends, is told so, and counts as failed: the next attempt may do better', async () => {
    const engine = await engines.start();
    const told = new Gate<string>();
    const agent = engines.agent({
      inactivityMs: 200,
      async run(task) {
        if (task.attempt === 2) return 'Done';
        task.signal.addEventListener('abort', () => told.open((task.signal.reason as Error).name));
        return forever();
      },
    });
    const done = await engine.send(agent, 'go');
    expect(textOf(done.status?.message)).toBe('Done');
    expect(await told.opened).toBe('RunInactiveError');
    expect(await tables.task(done.id!)).toMatchObject({ attempt: 1, lost: 0 });
  });

  it('fails its task when the attempts are used up; the log says what was missing', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ retry: ONCE, inactivityMs: 200, run: () => forever() });
    const { status } = await engine.send(agent, 'go');
    const line = engine.log.find(({ msg }) => msg === 'run.failed');
    expect(status?.message?.metadata).toEqual({ reason: 'inactivity', errorId: line?.errorId });
    expect(textOf(status?.message)).toBe(`The agent failed. Error id: ${String(line?.errorId)}`);
    expect(line?.err?.message).toMatch(/did nothing that is seen for 200 ms: no call on the task/);
  });

  it.each<[string, (task: AgentTask) => unknown]>([
    ['hangs after its calls', (task) => task.status('here').then(forever)],
    ['hangs in a step', (task) => task.step('hang', () => forever())],
    ['hangs in a branch', (task) => task.all([() => forever(), (branch) => branch.now()])],
    ['hangs beside a sleep', (task) => task.all([(branch) => branch.sleep('1h'), () => forever()])],
    ['hangs beside a question', (task) => Promise.all([task.step('hang', () => forever()), task.requestInput('Who?')])],
  ])('is one that %s', async (_case, run) => {
    expect(await endOf(await engines.start(), run)).toBe('inactivity');
  });
});

describe('a run is not silent that', () => {
  it.each<[string, (task: AgentTask) => Promise<unknown>]>([
    ['emits', (task) => task.status('here')],
    ['makes durable calls', (task) => task.random()],
    ['writes an artifact', (task) => task.artifact().append('x')],
    ['finishes steps', (task) => task.step('short', () => 1)],
  ])('%s', async (_case, act) => {
    const engine = await engines.start();
    const end = await endOf(engine, async (task) => {
      for (const begun = performance.now(); performance.now() - begun < 2 * LIMIT_MS; await pause(50)) await act(task);
      return 'Done';
    });
    expect(end).toBe('Done');
  });

  it('has a step with a timeout of its own under way, or several beside each other', async () => {
    const engine = await engines.start();
    const slow = () => pause(1.5 * LIMIT_MS);
    const end = await endOf(engine, async (task) => {
      await task.step('slow', { timeout: '20s' }, slow);
      await task.all([
        (branch) => branch.step('slow', { timeout: '20s' }, slow),
        (branch) => branch.step('slow too', slow),
      ]);
      return 'Done';
    });
    expect(end).toBe('Done');
  });

  it('waits for the database', async () => {
    const engine = await engines.start();
    const [begun, go] = [new Gate<string>(), new Gate()];
    const end = endOf(engine, async (task) => {
      begun.open(task.id);
      await go.opened;
      await task.status('not committed yet');
      return task.step('after it', () => 'Done');
    });
    const id = await begun.opened;
    await tables.until(id, 'WORKING');
    const letGo = await tables.hold(id);
    go.open();
    await tables.untilBlocked('perdure committer');
    await pause(1.5 * LIMIT_MS);
    await letGo();
    expect(await end).toBe('Done');
  });
});
