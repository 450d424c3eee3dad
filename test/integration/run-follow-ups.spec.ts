import { describe, expect, it } from 'vitest';
import { all, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

describe('queue', () => {
  it('runs one turn after the other for messages that came meanwhile, never two at once', async () => {
    const engine = await engines.start();
    const [running, go] = [new Gate(), new Gate()];
    const turns: string[] = [];
    let atOnce = 0;
    const agent = engines.agent({
      async run(task) {
        expect(++atOnce).toBe(1);
        turns.push(textOf(task.message));
        running.open();
        await task.status(`Working on ${textOf(task.message)}`);
        await go.opened;
        atOnce--;
        return `did ${textOf(task.message)}`;
      },
    });
    const first = engine.send(agent, 'one');
    await running.opened;
    const id = await tables.idOf(agent);
    const second = engine.send(agent, { taskId: id, parts: [{ text: 'two' }] });
    await tables.waitFor(async () =>
      expect(await tables.rows('select from perdure.task_messages where task_id = $1', [id])).toHaveLength(2),
    );
    const third = engine.send(agent, { taskId: id, parts: [{ text: 'three' }] });
    await tables.waitFor(async () =>
      expect(await tables.rows('select from perdure.task_messages where task_id = $1', [id])).toHaveLength(3),
    );
    go.open();
    const answers = await Promise.all([first, second, third]);

    expect(turns).toEqual(['one', 'two', 'three']);
    for (const task of answers) expect(textOf(task.status?.message)).toBe('did three');
    const { history } = await engine.get(agent, id);
    expect(history?.map(textOf)).toEqual(['one', 'two', 'three', 'did one', 'did two']);
    const said = (await tables.events(id)).map(({ statusUpdate }) => textOf(statusUpdate?.status?.message));
    expect(said.filter((text) => text !== '')).toEqual([
      ...['Working on one', 'did one', 'Working on two', 'did two', 'Working on three', 'did three'],
    ]);
    expect(await tables.task(id)).toMatchObject({ turn: 3, attempt: 0, lost: 0 });
  });

  it('shows each turn all that was said before it, the answer of the turn before included', async () => {
    const engine = await engines.start();
    const [running, go] = [new Gate(), new Gate()];
    const seen: string[][] = [];
    const agent = engines.agent({
      async run(task) {
        seen.push(task.history.map(textOf));
        running.open();
        await go.opened;
        if (textOf(task.message) === 'two' && seen.length < 3) throw new Error('again');
        return `did ${textOf(task.message)}`;
      },
    });
    const { id } = await engine.submit(agent, 'one');
    await running.opened;
    await engine.submit(agent, { taskId: id, parts: [{ text: 'two' }] });
    go.open();
    await tables.until(id!, 'COMPLETED');
    const second = ['one', 'did one', 'two'];
    expect(seen).toEqual([['one'], second, second]);
  });

  it('lets a blocking follow-up and a stream wait for the end of the turn that answers them', async () => {
    const engine = await engines.start();
    const [running, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        running.open();
        await go.opened;
        return `did ${textOf(task.message)}`;
      },
    });
    const { id } = await engine.submit(agent, 'one');
    await running.opened;
    const stream = engine.stream(agent, { taskId: id, parts: [{ text: 'two' }] });
    const first = await stream.next();
    expect(first.value).toMatchObject({ task: { status: { state: 'TASK_STATE_WORKING' } } });
    go.open();
    const texts = (await all(stream)).map(({ statusUpdate }) => textOf(statusUpdate?.status?.message));
    expect(texts).toEqual(['did one', 'did two']);
  });

  it('keeps its questions and answers apart from the messages of later turns', async () => {
    const engine = await engines.start();
    const agent = engines.agent({
      async run(task) {
        const answer = await task.requestInput(`Which for ${textOf(task.message)}?`);
        const more = new Gate();
        if (textOf(task.message) === 'one') {
          await task.step('let the client speak', async () => {
            await engine.submit(agent, { taskId: task.id, parts: [{ text: 'two' }] });
          });
        }
        more.open();
        return `${textOf(task.message)}: ${textOf(answer)}`;
      },
    });
    const { id } = await engine.send(agent, 'one');
    const second = await engine.send(agent, { taskId: id, parts: [{ text: 'a' }] });
    expect(textOf(second.status?.message)).toBe('Which for two?');
    const done = await engine.send(agent, { taskId: id, parts: [{ text: 'b' }] });
    expect(textOf(done.status?.message)).toBe('two: b');
    expect(done.history?.map(textOf)).toEqual(['one', 'Which for one?', 'a', 'two', 'one: a', 'Which for two?', 'b']);
  });

  it('takes a message to a task that waits for its next attempt, and keeps the wait', async () => {
    const engine = await engines.start();
    const failed = new Gate();
    const agent = engines.agent({
      retry: { attempts: 2, initialDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
      run: (task) => {
        if (task.attempt > 1 || textOf(task.message) === 'two') return `did ${textOf(task.message)}`;
        failed.open();
        throw new Error('not yet');
      },
    });
    const { id } = await engine.submit(agent, 'one');
    await failed.opened;
    await tables.waitFor(async () => expect(await tables.task(id!)).toMatchObject({ attempt: 1, lease_owner: null }));
    const { run_at } = await tables.task(id!);
    const answer = engine.send(agent, { taskId: id, parts: [{ text: 'two' }] });
    await tables.waitFor(async () =>
      expect(await tables.rows('select from perdure.task_messages where task_id = $1', [id])).toHaveLength(2),
    );
    expect(await tables.task(id!)).toMatchObject({ attempt: 1, lease_owner: null, run_at });
    await hasten(tables, id!);
    const done = await answer;
    expect(textOf(done.status?.message)).toBe('did two');
    expect(done.history?.map(textOf)).toEqual(['one', 'two', 'did one']);
  });
});

describe('reject', () => {
  it('refuses a message while the agent works, and takes it when it asks', async () => {
    const engine = await engines.start();
    const [running, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      followUps: 'reject',
      async run(task) {
        running.open();
        await go.opened;
        return textOf(await task.requestInput('Yes?'));
      },
    });
    const { id } = await engine.submit(agent, 'one');
    await running.opened;
    const refused = engine.send(agent, { taskId: id, parts: [{ text: 'two' }] });
    await expect(refused).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION', metadata: { taskId: id } });
    go.open();
    await tables.until(id!, 'INPUT_REQUIRED');
    const done = await engine.send(agent, { taskId: id, parts: [{ text: 'three' }] });
    expect(textOf(done.status?.message)).toBe('three');
    expect(done.history?.map(textOf)).toEqual(['one', 'Yes?', 'three']);
  });
});

describe('interrupt', () => {
  it('stops the run and starts over with the new message; the old run changes nothing any more', async () => {
    const engine = await engines.start();
    const [running, stopped] = [new Gate(), new Gate<unknown>()];
    const late: unknown[] = [];
    const agent = engines.agent({
      followUps: 'interrupt',
      async run(task) {
        const text = textOf(task.message);
        const artifact = task.artifact({ name: text });
        await artifact.append('begun');
        if (text === 'two') return 'did two';
        running.open();
        await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
        late.push(await artifact.append('late').catch((error: unknown) => error));
        late.push(await task.status('late').catch((error: unknown) => error));
        stopped.open(undefined);
        return 'did one';
      },
    });
    const { id } = await engine.submit(agent, 'one');
    await running.opened;
    const done = await engine.send(agent, { taskId: id, parts: [{ text: 'two' }] });
    await stopped.opened;
    expect(textOf(done.status?.message)).toBe('did two');
    expect(late).toEqual([expect.any(Error), expect.any(Error)]);
    expect(done.history?.map(textOf)).toEqual(['one', 'two']);
    expect(JSON.stringify(await tables.events(id!))).not.toContain('late');
    expect(await tables.task(id!)).toMatchObject({ turn: 2, lost: 0, attempt: 0 });
  });

  it('stops the run on whatever process it is', async () => {
    const [runner, front] = [await engines.start(), await engines.start({ runs: false })];
    const [running, stopped] = [new Gate(), new Gate()];
    const agent = engines.agent({
      followUps: 'interrupt',
      async run(task) {
        if (textOf(task.message) === 'two') return 'did two';
        running.open();
        await new Promise((resolve) => task.signal.addEventListener('abort', resolve));
        stopped.open();
        throw task.signal.reason;
      },
    });
    const { id } = await runner.submit(agent, 'one');
    await running.opened;
    const done = await front.send(agent, { taskId: id, parts: [{ text: 'two' }] });
    await stopped.opened;
    expect(textOf(done.status?.message)).toBe('did two');
  });
});
