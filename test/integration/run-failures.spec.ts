import { describe, expect, it } from 'vitest';
import { Fail, Reject } from '../../libs/agents/src/sdk.js';
import { textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const SECRET = 'connect ECONNREFUSED ledger.internal password=hunter2';

describe('a thrown error', () => {
  it('leads to the agent’s number of attempts, then to FAILED, and its text stays in the log', async () => {
    const engine = await engines.start();
    const attempts: number[] = [];
    const agent = engines.agent({
      retry: { attempts: 3, initialDelayMs: 10, maxDelayMs: 20 },
      async run(task) {
        attempts.push(task.attempt);
        await task.status('Trying');
        throw new Error(SECRET);
      },
    });
    const task = await engine.send(agent, 'go');
    expect(attempts).toEqual([1, 2, 3]);
    expect(task.status?.state).toBe('TASK_STATE_FAILED');
    const failure = engine.log.filter(({ msg }) => msg === 'run.failed').at(-1)!;
    expect(failure).toMatchObject({
      attempt: 3,
      final: true,
      tenant: 'acme',
      agent,
      task: task.id,
      err: { message: SECRET },
    });
    const { errorId } = failure;
    expect(errorId).toEqual(expect.stringMatching(/^[0-9a-f-]{36}$/));
    expect(textOf(task.status?.message)).toBe(`The agent failed. Error id: ${String(errorId)}`);
    expect(task.status?.message?.metadata).toEqual({ reason: 'error', errorId });
    expect(await tables.everything()).not.toMatch(/ECONNREFUSED|hunter2/);
    expect(JSON.stringify(await tables.rows('select * from perdure.outbox'))).not.toContain('hunter2');
  });

  it('is retried after delays that double up to the agent’s limit', async () => {
    const engine = await engines.start({ runs: false });
    const { id } = await engine.submit(engines.agent({ run: () => undefined }), 'go');
    const delays: number[] = [];
    const { leases } = engine.tasks.store;
    const { retryDelay } = await import('../../libs/execution/src/retry-delay.js');
    for (let failures = 1; failures <= 9; failures++) {
      delays.push(retryDelay({ attempts: 20, initialDelayMs: 100, maxDelayMs: 5_000 }, failures));
      await tables.rows('update perdure.tasks set run_at = now() where id = $1', [id]);
      const row = await leases.claim(
        engine.tasks.store.db,
        { tenantId: 'acme', taskId: id! },
        {
          ...{ owner: 'w', leaseMs: 1_000, version: '1.0.0' },
        },
      );
      const lease = { tenantId: 'acme', taskId: id!, token: row!.leaseToken };
      const before = await leases.now(engine.tasks.store.db);
      expect(await leases.handBack(engine.tasks.store.db, lease, failures, delays.at(-1)!)).toBe(true);
      const after = await leases.now(engine.tasks.store.db);
      const { run_at, ...stored } = await tables.task(id!);
      // Dates are whole milliseconds.
      expect(run_at!.getTime()).toBeGreaterThanOrEqual(before.getTime() + delays.at(-1)! - 1);
      expect(run_at!.getTime()).toBeLessThanOrEqual(after.getTime() + delays.at(-1)! + 1);
      expect(stored).toMatchObject({ attempt: failures, lost: 0 });
    }
    for (const [i, delay] of delays.entries()) {
      const base = Math.min(100 * 2 ** i, 5_000);
      expect(delay).toBeGreaterThanOrEqual(base * 0.8);
      expect(delay).toBeLessThanOrEqual(base * 1.2);
    }
  });

  const thrown = {
    'a string': 'just a text',
    nothing: undefined,
    'an object without a prototype': Object.create(null) as object,
    'an error with a getter that throws': Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('gotcha');
      },
    }),
    'a Reject of another make': Object.assign(new Error('a reject'), { [Symbol.for('perdure.reject')]: 0 }),
  };
  it.each(Object.entries(thrown))('of any kind ends the task: %s', async (name, value) => {
    const engine = await engines.start();
    const agent = engines.agent({
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      run: () => {
        throw value; // eslint-disable-line @typescript-eslint/only-throw-error
      },
    });
    const task = await engine.send(agent, 'go');
    expect(task.status?.state).toBe(name.includes('Reject') ? 'TASK_STATE_REJECTED' : 'TASK_STATE_FAILED');
  });
});

describe('Reject and Fail', () => {
  it.each([
    ['REJECTED', new Reject('Not my kind of work')],
    ['FAILED', new Fail('The account is closed')],
  ])('end the task as %s at once, with the author’s words', async (state, error) => {
    const engine = await engines.start();
    let runs = 0;
    const agent = engines.agent({
      async run(task) {
        runs++;
        await task.status('Looking');
        throw error;
      },
    });
    const task = await engine.send(agent, 'go');
    expect(task.status?.state).toBe(`TASK_STATE_${state}`);
    expect(textOf(task.status?.message)).toBe(error.message);
    expect(runs).toBe(1);
  });

  it.each([
    ['no words', new Reject(), 'REJECTED', /gave no reason/],
    ['half a surrogate pair', new Reject('\ud800'), 'FAILED', /Error id/],
    ['a NUL character', new Fail('\0'), 'FAILED', /Error id/],
    ['more than an event may hold', new Fail('x'.repeat(2_000_000)), 'FAILED', /Error id/],
    ['words that are no text', Object.assign(new Reject(), { message: 7 }), 'FAILED', /Error id/],
  ])('with %s end the task too', async (_, error, state, text) => {
    const engine = await engines.start();
    const agent = engines.agent({
      run: () => {
        throw error;
      },
    });
    const task = await engine.send(agent, 'go');
    expect(task.status?.state).toBe(`TASK_STATE_${state}`);
    expect(textOf(task.status?.message)).toMatch(text);
    expect(await engine.get(agent, task.id!)).toEqual(task);
  });
});

describe('a handler that calls in another order than before', () => {
  const second = {
    'another kind': (task: Parameters<Parameters<typeof engines.agent>[0]['run']>[0]) => task.status('Hello'),
    'another name': (task: Parameters<Parameters<typeof engines.agent>[0]['run']>[0]) => task.step('b', () => 1),
    'a call less': () => undefined,
  };
  it.each(Object.entries(second))(
    'fails the task at once, with the explanation in the log alone: %s',
    async (_, replayed) => {
      const engine = await engines.start();
      const agent = engines.agent({
        async run(task) {
          if (task.attempt > 1) return void (await replayed(task));
          await task.step('a', () => 1);
          throw new Error('again');
        },
      });
      const task = await engine.send(agent, 'go');
      const failure = engine.log.findLast(({ msg }) => msg === 'run.failed')!;
      expect(failure.err?.message).toMatch(/call 1 of the handler is .*, but when it ran before it was step "a"/);
      expect(task.status?.state).toBe('TASK_STATE_FAILED');
      expect(task.status?.message?.metadata).toEqual({ reason: 'non_deterministic', errorId: failure.errorId });
      expect(JSON.stringify(task)).not.toContain('call 1');
      expect(await tables.task(task.id!)).toMatchObject({ attempt: 1 });
    },
  );
});

describe('time', () => {
  it('ends a run that takes longer than the timeout, also one that hangs after the signal, and retries it', async () => {
    const engine = await engines.start();
    const reasons: unknown[] = [];
    const agent = engines.agent({
      timeoutMs: 60,
      retry: { attempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
      async run(task) {
        task.signal.addEventListener('abort', () => reasons.push(task.signal.reason));
        await forever();
      },
    });
    const task = await engine.send(agent, 'go');
    expect(task.status?.state).toBe('TASK_STATE_FAILED');
    expect(task.status?.message?.metadata).toMatchObject({ reason: 'timeout' });
    expect(reasons).toEqual([
      expect.objectContaining({ name: 'RunTimeoutError' }),
      expect.objectContaining({ name: 'RunTimeoutError' }),
    ]);
  });

  it('refuses everything that a timed out run does later', async () => {
    const engine = await engines.start();
    const [woken, done] = [new Gate(), new Gate<unknown[]>()];
    const agent = engines.agent({
      timeoutMs: 60,
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      async run(task) {
        const artifact = task.artifact();
        await artifact.append('in time');
        await woken.opened;
        const late = [
          ...[task.status('late'), artifact.append('late'), artifact.close(), task.step('late', () => 'late')],
          ...[task.requestInput('late'), task.requestAuth('late')],
        ];
        const settled = await Promise.allSettled(late as Promise<unknown>[]);
        done.open(settled.map(({ status }) => status));
        return 'late';
      },
    });
    const task = await engine.send(agent, 'go');
    woken.open();
    expect(await done.opened).toEqual(Array(6).fill('rejected'));
    expect(JSON.stringify(await tables.events(task.id!))).not.toContain('late');
    expect((await tables.task(task.id!)).last_sequence).toBe(4);
  });

  it('ends a task at its deadline, whether it works or waits', async () => {
    const engine = await engines.start();
    const stopped = new Gate();
    const agent = engines.agent({
      deadlineMs: 300,
      async run(task) {
        if (textOf(task.message) === 'ask') await task.requestInput('?');
        task.signal.addEventListener('abort', () => stopped.open());
        await forever();
      },
    });
    const [working, asked] = await Promise.all([engine.submit(agent, 'work'), engine.submit(agent, 'ask')]);
    await Promise.all([tables.until(working.id!, 'FAILED'), tables.until(asked.id!, 'FAILED'), stopped.opened]);
    expect(await tables.states(asked.id!)).toEqual(['SUBMITTED', 'WORKING', 'INPUT_REQUIRED', 'FAILED']);
    const { status } = await engine.get(agent, working.id!);
    expect(status?.message?.metadata).toEqual({ reason: 'deadline' });
    await expect(engine.send(agent, { taskId: asked.id })).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
  });
});
