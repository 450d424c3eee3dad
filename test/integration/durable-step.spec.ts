import { expect, it } from 'vitest';
import { Fail } from '../../libs/agents/src/refusals.js';
import { textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const QUICK = { initialDelay: 1, maxDelay: 1 };

it('calls the function again after an error, at no cost to the attempts of the run', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push(`run ${task.attempt}`);
      return task.step('flaky', { retry: { attempts: 3, ...QUICK } }, () => {
        calls.push('call');
        if (calls.length < 4) throw new Error('not yet');
        return `after ${calls.length - 1} calls`;
      });
    },
  });
  const task = await engine.send(agent, 'go');
  expect(textOf(task.status?.message)).toBe('after 3 calls');
  expect(calls).toEqual(['run 1', 'call', 'call', 'call']);
  expect(await tables.task(task.id!)).toMatchObject({ attempt: 0 });
  expect(engine.log.filter(({ msg }) => msg === 'step.failed')).toMatchObject([{ failures: 1 }, { failures: 2 }]);
});

it('gives the last error to the handler, and begins anew with the next attempt of the run', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    retry: { attempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      const step = task.step('broken', { retry: { attempts: 2, ...QUICK } }, () => {
        throw new Error(`call ${calls.push(`call in ${task.attempt}`)}`);
      });
      await step.catch((error: Error) => {
        calls.push(error.message);
        throw error;
      });
    },
  });
  const task = await engine.send(agent, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  expect(calls).toEqual(['call in 1', 'call in 1', 'call 2', 'call in 2', 'call in 2', 'call 5']);
});

it('does not try again what another call would not mend', async () => {
  const engine = await engines.start();
  let calls = 0;
  const agent = engines.agent({
    async run(task) {
      await task.step('refuse', { retry: { attempts: 5, ...QUICK } }, () => {
        calls++;
        if (textOf(task.message) === 'fail') throw new Fail('The account is closed');
        return BigInt(1);
      });
    },
  });
  const failed = await engine.send(agent, 'fail');
  expect(textOf(failed.status?.message)).toBe('The account is closed');
  await engine.send(agent, 'no JSON');
  expect(calls).toBe(2);
});

it('ends a call that takes longer than the timeout, and counts it as failed', async () => {
  const engine = await engines.start();
  const late = new Gate();
  let calls = 0;
  let reason: unknown;
  const agent = engines.agent({
    run: (task) =>
      task.step('slow', { retry: { attempts: 2, ...QUICK }, timeout: 50 }, async ({ signal }) => {
        if (++calls > 1) return 'in time';
        signal.addEventListener('abort', () => (reason = signal.reason));
        await late.opened;
        return 'too late';
      }),
  });
  const task = await engine.send(agent, 'go');
  late.open();
  expect(textOf(task.status?.message)).toBe('in time');
  expect(String(reason)).toMatch(/StepTimeoutError: step "slow" took longer than 50 ms/);
  const results = (await tables.journal(task.id!)).filter(({ kind }) => kind === 'step');
  expect(results.map(({ value }) => value)).toEqual(['"in time"']);
});

it('gives a timed-out call without a retry to the handler as its error', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const error = await task.step('hang', { timeout: 20 }, forever).catch((thrown: Error) => thrown);
      return `${error.name}`;
    },
  });
  expect(textOf((await engine.send(agent, 'go')).status?.message)).toBe('StepTimeoutError');
});

it('fires the signal of a step with a timeout when the task is canceled', async () => {
  const engine = await engines.start();
  const [running, aborted] = [new Gate(), new Gate()];
  const agent = engines.agent({
    async run(task) {
      await task.step('wait', { timeout: '1m' }, async ({ signal }) => {
        signal.addEventListener('abort', () => aborted.open());
        running.open();
        await forever();
      });
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  await engine.cancel(agent, id!);
  await aborted.opened;
});

it('waits for a long pause as a row, and keeps count over it', async () => {
  const first = await engines.start({ mayCrash: true });
  const calls: string[] = [];
  const agent = engines.agent({
    retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
    async run(task) {
      calls.push('run');
      await task.step('before', () => calls.push('before'));
      await task.step('down', { retry: { attempts: 2, initialDelay: '10m', maxDelay: '1h' } }, () => {
        throw new Error(calls.push('call') > 4 ? 'the last one' : 'not yet');
      });
    },
  });
  const { id } = await first.submit(agent, 'go');
  await asleep(tables, id!);
  const { run_at } = await tables.task(id!);
  expect(run_at!.getTime() - Date.now()).toBeGreaterThan(400_000);
  await first.crash();
  const second = await engines.start();
  await hasten(tables, id!);
  await tables.until(id!, 'FAILED');
  expect(calls).toEqual(['run', 'before', 'call', 'run', 'call']);
  expect(second.log.find(({ msg }) => msg === 'run.failed')).toMatchObject({ err: { message: 'the last one' } });
});

it('keeps count over a crash in a short pause', async () => {
  const first = await engines.start({ mayCrash: true });
  const calls: string[] = [];
  const agent = engines.agent({
    run: (task) =>
      task.step('flaky', { retry: { attempts: 2, initialDelay: '4s' } }, () => {
        if (calls.push('call') < 2) throw new Error('not yet');
        return 'Done';
      }),
  });
  const { id } = await first.submit(agent, 'go');
  await tables.waitFor(async () => expect(await tables.journal(id!)).toMatchObject([{ kind: 'retry', name: 'flaky' }]));
  await first.crash();
  await tables.forget();
  await hasten(tables, id!);
  await engines.start();
  await tables.until(id!, 'COMPLETED');
  expect(calls).toEqual(['call', 'call']);
});

it('records the steps beside one that pauses', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      const flaky = task.step('flaky', { retry: { attempts: 2, initialDelay: '10m', maxDelay: '1h' } }, () => {
        if (calls.push('flaky') < 4) throw new Error('not yet');
      });
      const slow = task.step('slow', () => new Promise((resolve) => setTimeout(resolve, 100, calls.push('slow'))));
      await Promise.all([flaky, slow]);
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await asleep(tables, id!);
  await hasten(tables, id!);
  await tables.until(id!, 'COMPLETED');
  expect(calls).toEqual(['run', 'flaky', 'slow', 'run', 'flaky']);
});

it.each([
  ['an option that there is not', { retries: 3 }, /retries is not known here; there are retry, timeout/],
  ['no attempts', { retry: { attempts: 0 } }, /retry.attempts must be a whole number from 1 to 100, not 0/],
  ['no time span', { timeout: 'soon' }, /timeout must be a time span/],
  ['its function first', () => 1, /step "wrong" takes a function, or options and a function/],
  ['no function', {}, /step "wrong" takes a function/, {}],
])('fails the task where a step is given %s', async (_, options, explanation, run: unknown = () => undefined) => {
  const engine = await engines.start();
  const agent = engines.agent({ run: (task) => task.step('wrong', options as never, run as () => void) });
  const task = await engine.send(agent, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  const message = expect.stringMatching(explanation);
  expect(engine.log.find(({ msg }) => msg === 'run.failed')).toMatchObject({ final: true, err: { message } });
});
