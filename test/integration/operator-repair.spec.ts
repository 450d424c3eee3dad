import { describe, expect, it } from 'vitest';
import { Fail } from '../../libs/agents/src/sdk.js';
import { looked } from '../support/delegations.js';
import { all, type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { act } from '../support/operator.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

/** An agent that loads, and then fails for as long as `broken` says so; counts what it does. */
function breakable(fields: object = {}) {
  const seen = { broken: true, loads: 0, runs: 0 };
  const agent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    ...fields,
    async run(task) {
      seen.runs++;
      const rows = await task.step('load', () => ++seen.loads);
      await task.step('send', () => {
        if (seen.broken) throw new Error('the ledger is down');
      });
      return `Sent ${rows}, attempt ${task.attempt}`;
    },
  });
  return { agent, seen };
}

const failedTask = async (engine: Engine, agent: string) => {
  const task = await engine.send(agent, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  return task;
};

describe('a dead letter that is redriven', () => {
  it('goes on from what it had recorded, and its client learns why', async () => {
    const engine = await engines.start();
    const { agent, seen } = breakable();
    const { id, status } = await failedTask(engine, agent);
    seen.broken = false;

    const report = await act(engine, { kind: 'redrive' }, id!);

    expect(report).toEqual({ tenant: 'acme', id, outcome: 'done', text: expect.stringContaining('opened again') });
    await tables.until(id!, 'COMPLETED');
    expect(seen).toMatchObject({ loads: 1, runs: 2 });
    expect(textOf((await engine.get(agent, id!)).status?.message)).toBe('Sent 1, attempt 1');
    expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'FAILED', 'WORKING', 'COMPLETED']);
    const reopened = (await tables.events(id!))[3]?.statusUpdate?.status?.message;
    const { errorId } = status!.message!.metadata as { errorId: string };
    expect(reopened?.metadata).toEqual({ reason: 'redriven', previousReason: 'error', previousErrorId: errorId });
    expect(textOf(reopened)).toBe('The task goes on: its operator has started it again');
  });

  it('is redriven once, however many operators ask at once', async () => {
    const [one, other] = [await engines.start(), await engines.start()];
    const { agent, seen } = breakable();
    const { id } = await failedTask(one, agent);
    seen.broken = false;
    const letGo = await tables.hold(id!);
    const asked = [one, other, one, other].map((engine) => act(engine, { kind: 'redrive' }, id!));
    await tables.untilBlocked('perdure');
    await letGo();

    const reports = await Promise.all(asked);

    expect(reports.filter(({ outcome }) => outcome === 'done')).toHaveLength(1);
    for (const { outcome, code } of reports.filter((report) => report.outcome !== 'done')) {
      expect(outcome).toBe('refused');
      expect(['NOT_FAILED', 'ENDED']).toContain(code);
    }
    await tables.until(id!, 'COMPLETED');
    expect(seen).toMatchObject({ loads: 1, runs: 2 });
    expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'FAILED', 'WORKING', 'COMPLETED']);
  });

  it('shows a reader that resumes over the failure how it went on', async () => {
    const engine = await engines.start();
    const { agent, seen } = breakable();
    const { id } = await failedTask(engine, agent);
    seen.broken = false;
    await act(engine, { kind: 'redrive' }, id!);
    await tables.until(id!, 'COMPLETED');

    const events = await all(engine.subscribe(agent, id!, { lastEventId: 2 }));

    expect(events.map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    expect(events.at(-1)?.statusUpdate?.status?.state).toBe('TASK_STATE_COMPLETED');
  });

  it('is the task that its idempotency key stands for', async () => {
    const engine = await engines.start();
    const { agent, seen } = breakable();
    const caller = { idempotencyKey: 'order-1' };
    const first = await engine.send(agent, 'go', { caller });
    seen.broken = false;
    await act(engine, { kind: 'redrive' }, first.id!);

    const again = await engine.send(agent, 'go', { caller });

    expect(again).toMatchObject({ id: first.id, status: { state: 'TASK_STATE_COMPLETED' } });
  });

  it('gets all its attempts anew, and its workers too', async () => {
    const front = await engines.start({ runs: false });
    const agent = engines.agent({ run: (task) => `attempt ${task.attempt}` });
    const { id } = await front.submit(agent, 'go');
    await tables.rows(
      `update perdure.tasks set lease_owner = 'dead', lost = 10, attempt = 2, run_at = now() - interval '1 hour' where id = $1`,
      [id],
    );
    const worker = await engines.start();
    await tables.until(id!, 'FAILED');

    await act(worker, { kind: 'redrive' }, id!);

    await tables.until(id!, 'COMPLETED');
    expect(textOf((await front.get(agent, id!)).status?.message)).toBe('attempt 1');
    expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 0 });
  });

  it('is none where the agent itself has failed it: that is for retry', async () => {
    const engine = await engines.start();
    let refuses = true;
    const agent = engines.agent({
      run() {
        if (refuses) throw new Fail('no such ledger');
        return 'Done';
      },
    });
    const { id } = await failedTask(engine, agent);
    refuses = false;

    expect(await act(engine, { kind: 'redrive' }, id!)).toMatchObject({ outcome: 'refused', code: 'NOT_DEAD' });
    expect(await act(engine, { kind: 'retry' }, id!)).toMatchObject({ outcome: 'done' });
    await tables.until(id!, 'COMPLETED');
  });

  it('stays as it is where nobody here could run it, where it has too many events, and in a dry run', async () => {
    const engine = await engines.start({ config: { maxEventsPerTask: 10 } });
    const { agent } = breakable();
    const { id } = await failedTask(engine, agent);
    const before = await tables.everything();
    expect(await act(engine, { kind: 'redrive' }, id!, { dryRun: true })).toMatchObject({ outcome: 'possible' });
    expect(await tables.everything()).toBe(before);

    const talker = engines.agent({
      async run(task) {
        for (;;) await task.status('More');
      },
    });
    const full = await failedTask(engine, talker);
    expect(await act(engine, { kind: 'retry' }, full.id!)).toMatchObject({
      outcome: 'refused',
      code: 'TOO_MANY_EVENTS',
    });

    await tables.rows(`update perdure.tasks set agent = 'gone' where id = $1`, [id]);
    await tables.rows(`update perdure.task_counts set agent = 'gone' where agent = $1`, [agent]);
    for (const kind of ['retry', 'redrive', 'reset'] as const) {
      const report = await act(engine, { kind }, id!);
      expect(report).toMatchObject({
        outcome: 'refused',
        code: 'AGENT_NOT_SERVED',
        text: 'no agent "gone" is served here',
      });
    }
  });
});

describe('a task that failed by its deadline', () => {
  it('needs a new one, and a reaper that still knows the old one leaves it alone', async () => {
    const engine = await engines.start();
    const go = new Gate();
    const agent = engines.agent({ deadlineMs: 50, run: () => go.opened });
    const { id } = await failedTask(engine, agent);
    go.open();
    expect(await act(engine, { kind: 'redrive' }, id!)).toMatchObject({ outcome: 'refused', code: 'DEADLINE_PASSED' });
    const front = await engines.start({ runs: false });
    await engine.stop();

    expect(await act(front, { kind: 'redrive', deadlineMs: 60_000 }, id!)).toMatchObject({ outcome: 'done' });
    await front.tasks.journal.failPastDeadline({ tenantId: 'acme', taskId: id! });

    expect((await tables.states(id!)).at(-1)).toBe('WORKING');
    const [row] = await tables.rows<{ left: number }>(
      'select extract(epoch from deadline - now())::float8 as left from perdure.tasks where id = $1',
      [id],
    );
    expect(row!.left).toBeGreaterThan(30);
    await engines.start();
    await tables.until(id!, 'COMPLETED');
  });

  it('may go without one', async () => {
    const engine = await engines.start();
    const go = new Gate();
    const agent = engines.agent({ deadlineMs: 50, run: () => go.opened });
    const { id } = await failedTask(engine, agent);
    go.open();
    await act(engine, { kind: 'redrive', deadlineMs: null }, id!);
    await tables.until(id!, 'COMPLETED');
  });
});

describe('a retry', () => {
  it('makes the next attempt of a task in backoff now, and counts what failed before', async () => {
    const engine = await engines.start();
    const agent = engines.agent({
      retry: { attempts: 3, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
      run(task) {
        if (task.attempt === 1) throw new Error('not yet');
        return `attempt ${task.attempt}`;
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ attempt: 1, lease_owner: null }));
    expect(await engine.tasks.operator.show({ tenantId: 'acme', taskId: id! })).toMatchObject({ waitsFor: 'retry' });

    expect(await act(engine, { kind: 'retry' }, id!)).toMatchObject({ outcome: 'done' });

    await tables.until(id!, 'COMPLETED');
    expect(textOf((await engine.get(agent, id!)).status?.message)).toBe('attempt 2');
  });

  it('is refused for every other state, and the report says what the task waits for', async () => {
    const engine = await engines.start();
    const go = new Gate();
    const refused = async (run: Parameters<typeof engines.agent>[0]['run'], waitsFor: string, text: RegExp) => {
      const { id } = await engine.submit(engines.agent({ run }), 'go');
      await tables.waitFor(async () =>
        expect((await engine.tasks.operator.show({ tenantId: 'acme', taskId: id! })).waitsFor).toBe(waitsFor),
      );
      const report = await act(engine, { kind: 'retry' }, id!);
      expect(report).toMatchObject({ outcome: 'refused', code: 'NOT_IN_BACKOFF', text: expect.stringMatching(text) });
      return id!;
    };
    await refused((task) => task.sleep('1h'), 'timer', /^it sleeps until 20/);
    await refused(async (task) => void (await task.requestInput('Which?')), 'input', /message from its client/);
    await refused(async (task) => void (await task.requestAuth('May I?')), 'auth', /message from its client/);
    await refused(async (task) => void (await task.waitFor('paid')), 'signal', /waits for a signal/);
    const running = await refused(() => go.opened, 'run', /is being run by .+: use reset/);
    go.open();
    await tables.until(running, 'COMPLETED');
    expect(await act(engine, { kind: 'retry' }, running)).toMatchObject({
      text: expect.stringMatching(/is completed/),
    });
  });
});

describe('what a failed task had begun', () => {
  it('counts the failures of a step anew', async () => {
    const engine = await engines.start();
    const seen = { broken: true, calls: 0 };
    const agent = engines.agent({
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      run: (task) =>
        task.step('send', { retry: { attempts: 3, initialDelay: 1, maxDelay: 1 } }, () => {
          seen.calls++;
          if (seen.broken) throw new Error('the ledger is down');
          return 'Sent';
        }),
    });
    const { id } = await failedTask(engine, agent);
    expect(seen.calls).toBe(3);
    await act(engine, { kind: 'redrive' }, id!);
    await tables.waitFor(async () => expect((await tables.states(id!)).slice(-2)).toEqual(['WORKING', 'FAILED']));
    expect(seen.calls).toBe(6);
    seen.broken = false;
    await act(engine, { kind: 'redrive' }, id!);
    await tables.until(id!, 'COMPLETED');
    expect(seen.calls).toBe(7);
  });

  it('delegates anew what was given up with it, once', async () => {
    const engine = await engines.start();
    const [begun, go] = [new Gate(), new Gate()];
    const heard: string[] = [];
    const child = engines.agent({
      async run(task) {
        heard.push(task.id);
        begun.open();
        await go.opened;
        return 'Hello';
      },
    });
    let broken = true;
    const parent = engines.agent({
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      async run(task) {
        const { asked } = await task.all({
          asked: (branch) => branch.delegate(child, 'go'),
          other: async () => {
            await begun.opened;
            if (broken) throw new Error('bad luck');
          },
        });
        return textOf(asked.message);
      },
    });
    const { id } = await failedTask(engine, parent);
    await tables.waitFor(async () => expect(await tables.states(heard[0]!)).toContain('CANCELED'));
    await looked(tables, id!);

    broken = false;
    await act(engine, { kind: 'redrive' }, id!);
    go.open();

    await tables.until(id!, 'COMPLETED');
    expect(heard).toHaveLength(2);
    expect(textOf((await engine.get(parent, id!)).status?.message)).toBe('Hello');
  });
});
