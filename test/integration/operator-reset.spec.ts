import { describe, expect, it } from 'vitest';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { asleep } from '../support/hasten.js';
import { act } from '../support/operator.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

const untilAsked = (id: string) => tables.until(id, 'INPUT_REQUIRED');
const place = (branch: string, position: number) => ({ place: { branch, position } });

/** Takes notes of its steps, and asks before the last one. */
function noteTaker() {
  const notes: string[] = [];
  const agent = engines.agent({
    async run(task) {
      for (const name of ['read', 'sum', 'write']) await task.step(name, () => void notes.push(name));
      const answer = await task.requestInput('Send it?');
      await task.step('send', () => void notes.push(`send: ${textOf(answer)}`));
      return 'Sent';
    },
  });
  return { agent, notes };
}

async function answer(engine: Engine, agent: string, taskId: string, text: string) {
  return engine.send(agent, { taskId, parts: [{ text }] });
}

describe('a reset to a step', () => {
  it('makes that step and what comes after it again, and nothing before it', async () => {
    const engine = await engines.start();
    const { agent, notes } = noteTaker();
    const { id } = await engine.send(agent, 'go');

    const report = await act(engine, { kind: 'reset', first: { name: 'sum' } }, id!);

    expect(report).toMatchObject({
      outcome: 'done',
      text: '3 of 4 records are dropped, and the turn goes on from there',
    });
    await tables.waitFor(async () =>
      expect((await tables.states(id!)).slice(-2)).toEqual(['WORKING', 'INPUT_REQUIRED']),
    );
    expect(notes).toEqual(['read', 'sum', 'write', 'sum', 'write']);
    const [, , , reset] = await tables.events(id!);
    expect(reset?.statusUpdate?.status?.message?.metadata).toEqual({ reason: 'reset' });
    expect((await answer(engine, agent, id!, 'Yes')).status?.state).toBe('TASK_STATE_COMPLETED');
    expect(notes.at(-1)).toBe('send: Yes');
  });

  it('keeps what the client has answered', async () => {
    const engine = await engines.start();
    let broken = true;
    const notes: string[] = [];
    const agent = engines.agent({
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      async run(task) {
        await task.step('draft', () => void notes.push('draft'));
        const said = textOf(await task.requestInput('Send it?'));
        if (broken) throw new Error('no line');
        return said;
      },
    });
    const { id } = await engine.send(agent, 'go');
    expect((await answer(engine, agent, id!, 'Yes')).status?.state).toBe('TASK_STATE_FAILED');
    broken = false;

    await act(engine, { kind: 'reset' }, id!);

    await tables.until(id!, 'COMPLETED');
    expect(textOf((await engine.get(agent, id!)).status?.message)).toBe('Yes');
    expect(notes).toEqual(['draft', 'draft']);
    expect((await tables.states(id!)).filter((state) => state === 'INPUT_REQUIRED')).toHaveLength(1);
  });

  it('of a branch leaves the branches beside it', async () => {
    const engine = await engines.start();
    const notes: string[] = [];
    const agent = engines.agent({
      async run(task) {
        await task.all({
          left: async (branch) => {
            await branch.step('one', () => void notes.push('left one'));
            await branch.step('two', () => void notes.push('left two'));
          },
          right: (branch) => branch.step('one', () => void notes.push('right one')),
        });
        await task.step('join', () => void notes.push('join'));
        await task.requestInput('Well?');
      },
    });
    const { id } = await engine.send(agent, 'go');
    notes.length = 0;
    expect(await act(engine, { kind: 'reset', first: { name: 'one' } }, id!)).toEqual({
      ...{ tenant: 'acme', id, outcome: 'refused', code: 'AMBIGUOUS_CALL' },
      text: expect.stringMatching(
        /^this turn has 2 calls named "one", at 1\.(left\.1, 1\.right|right\.1, 1\.left)\.1: name the place$/,
      ),
    });

    await act(engine, { kind: 'reset', first: place('1.left', 2) }, id!);

    await tables.waitFor(async () =>
      expect((await tables.states(id!)).slice(-2)).toEqual(['WORKING', 'INPUT_REQUIRED']),
    );
    expect(notes).toEqual(['left two', 'join']);
  });

  it('is refused where the turn has no such call', async () => {
    const engine = await engines.start();
    const { agent } = noteTaker();
    const { id } = await engine.send(agent, 'go');
    const before = await tables.everything();
    const codeOf = async (first: { name: string } | ReturnType<typeof place>) =>
      (await act(engine, { kind: 'reset', first }, id!)).code;
    expect(await codeOf({ name: 'send' })).toBe('NO_SUCH_CALL');
    expect(await codeOf(place('', 9))).toBe('NO_SUCH_CALL');
    expect(await codeOf(place('1.left', 1))).toBe('NO_SUCH_CALL');
    expect(await tables.everything()).toBe(before);
  });

  it('drops large results with their records', async () => {
    const engine = await engines.start({ config: { maxResultBytes: 10_000_000 } });
    let loads = 0;
    const agent = engines.agent({
      async run(task) {
        const rows = await task.step('load', () => (++loads).toString().repeat(100_000));
        await task.requestInput(`Loaded ${rows[0]}`);
      },
    });
    const { id } = await engine.send(agent, 'go');
    await act(engine, { kind: 'reset', first: { name: 'load' } }, id!);
    await tables.waitFor(async () => expect(loads).toBe(2));
    await untilAsked(id!);
    const stored = await tables.rows<{ value: string }>('select value from perdure.task_results where task_id = $1', [
      id,
    ]);
    expect(stored.map(({ value }) => value.slice(0, 3))).toEqual(['"22']);
  });
});

describe('a reset', () => {
  it('of a task that runs stops the run, whose late writes change nothing', async () => {
    const engine = await engines.start();
    const [begun, go, tried] = [new Gate(), new Gate(), new Gate()];
    let runs = 0;
    const agent = engines.agent({
      async run(task) {
        await task.step('count', () => ++runs);
        if (runs > 1) return 'The second';
        begun.open();
        await go.opened;
        void task.status('Late');
        tried.open();
        return 'The first';
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await begun.opened;

    expect(await act(engine, { kind: 'reset' }, id!)).toMatchObject({ outcome: 'done' });

    await tables.until(id!, 'COMPLETED');
    go.open();
    await tried.opened;
    await engine.stop();
    expect(textOf((await tables.events(id!)).at(-1)?.statusUpdate?.status?.message)).toBe('The second');
    // Nothing is told of it: to its client the task was at work all the time.
    expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'COMPLETED']);
    expect(await tables.task(id!)).toMatchObject({ lost: 0, attempt: 0 });
  });

  it('of a task that sleeps begins the sleep anew', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: (task) => task.sleep('1h') });
    const { id } = await engine.submit(agent, 'go');
    await asleep(tables, id!);
    const [before] = await tables.journal(id!);
    await act(engine, { kind: 'reset' }, id!);
    await tables.waitFor(async () => {
      const [record] = await tables.journal(id!);
      expect(record).toBeDefined();
      expect(record!.value).not.toBe(before!.value);
    });
    await asleep(tables, id!);
  });

  it('frees the signals that the dropped calls had taken', async () => {
    const engine = await engines.start();
    const taken: unknown[] = [];
    const agent = engines.agent({
      async run(task) {
        taken.push(await task.waitFor('paid'));
        await task.requestInput('Well?');
      },
    });
    const { id } = await engine.submit(agent, 'go');
    expect(await act(engine, { kind: 'signal', name: 'paid', value: { sum: 7 } }, id!)).toMatchObject({
      outcome: 'done',
    });
    await untilAsked(id!);
    await act(engine, { kind: 'reset' }, id!);
    await tables.waitFor(async () =>
      expect((await tables.states(id!)).slice(-2)).toEqual(['WORKING', 'INPUT_REQUIRED']),
    );
    expect(taken).toEqual([{ sum: 7 }, { sum: 7 }]);
  });

  it('goes back within the current turn only', async () => {
    const engine = await engines.start();
    const notes: string[] = [];
    const go = new Gate();
    const agent = engines.agent({
      async run(task) {
        const said = textOf(task.message);
        await task.step('note', () => void notes.push(said));
        if (said === 'one') await go.opened;
        else await task.requestInput('Well?');
      },
    });
    const { id } = await engine.submit(agent, 'one');
    await tables.waitFor(async () => expect(notes).toEqual(['one']));
    await engine.submit(agent, { taskId: id!, parts: [{ text: 'two' }] });
    go.open();
    await untilAsked(id!);

    const report = await act(engine, { kind: 'reset' }, id!);

    expect(report.text).toMatch(/^2 of 2 records/);
    await tables.waitFor(async () => expect(notes).toEqual(['one', 'two', 'two']));
    await untilAsked(id!);
    expect((await tables.journal(id!)).map(({ turn, kind }) => `${turn} ${kind}`)).toEqual([
      ...['1 step', '2 turn', '2 step', '2 input'],
    ]);
  });

  it('is refused for a task that has ended well, was canceled or rejected, or has not begun', async () => {
    const front = await engines.start({ runs: false });
    const idle = engines.agent({ run: () => 'Done' });
    const [waiting, canceled] = [await front.submit(idle, 'go'), await front.submit(idle, 'go')];
    await front.cancel(idle, canceled.id!);
    expect(await act(front, { kind: 'reset' }, waiting.id!)).toMatchObject({ code: 'NOT_BEGUN' });
    const engine = await engines.start();
    await tables.until(waiting.id!, 'COMPLETED');
    for (const { id } of [waiting, canceled]) {
      for (const kind of ['reset', 'redrive'] as const) {
        expect(await act(engine, { kind }, id!)).toMatchObject({ outcome: 'refused', code: 'ENDED' });
      }
    }
  });

  it('mends a task whose handler no longer fits its records', async () => {
    const engine = await engines.start();
    let names = ['old'];
    const notes: string[] = [];
    const agent = engines.agent({
      async run(task) {
        for (const name of names) await task.step(name, () => void notes.push(name));
        await task.requestInput('Well?');
        return 'Done';
      },
    });
    const { id } = await engine.send(agent, 'go');
    names = ['new', 'other'];
    const failed = await answer(engine, agent, id!, 'Yes');
    expect(failed.status?.message?.metadata).toMatchObject({ reason: 'non_deterministic' });

    expect(await act(engine, { kind: 'redrive' }, id!)).toMatchObject({ outcome: 'done' });
    await tables.waitFor(async () => expect((await tables.states(id!)).slice(-2)).toEqual(['WORKING', 'FAILED']));
    await act(engine, { kind: 'reset' }, id!);

    await tables.until(id!, 'COMPLETED');
    expect(notes).toEqual(['old', 'new', 'other']);
  });
});
