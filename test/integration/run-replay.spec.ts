import { expect, it } from 'vitest';
import { COMMITTER } from '../support/committer.js';
import { artifactTexts, textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('goes on after a crash as if there had been none', async () => {
  const calls: string[] = [];
  const stuck = new Gate();
  const agent = engines.agent({
    async run(task) {
      calls.push('run');
      await task.status('Started');
      const first = await task.step('first', () => {
        calls.push('first');
        return { at: calls.length };
      });
      await task.artifact({ name: 'closed.txt' }).write('whole');
      const open = task.artifact({ name: 'open.txt' });
      await open.append(`a${first.at}`);
      await open.append('b');
      await task.step('second', () => calls.push('second'));
      if (calls.filter((call) => call === 'run').length === 1) {
        stuck.open();
        await forever();
      }
      await open.append('c');
      await open.close();
      return `first at ${first.at}`;
    },
  });
  const first = await engines.start({ mayCrash: true });
  const { id } = await first.submit(agent, 'go');
  await stuck.opened;
  await first.crash();
  await tables.forget();
  const second = await engines.start();
  await tables.until(id!, 'COMPLETED');

  expect(calls).toEqual(['run', 'first', 'second', 'run']);
  const task = await second.get(agent, id!);
  expect(textOf(task.status?.message)).toBe('first at 2');
  expect(artifactTexts(task, 0)).toEqual(['whole']);
  expect(artifactTexts(task, 1).join('')).toBe('a2bc');
  const chunks = (await tables.events(id!)).flatMap(({ artifactUpdate }) => artifactUpdate ?? []);
  const seen = chunks.map(({ artifact, append = false }) => `${artifact!.name} ${textOf(artifact as never)} ${append}`);
  expect(seen).toEqual([
    'closed.txt whole false',
    ...['open.txt a2 false', 'open.txt b true'],
    ...['open.txt a2 false', 'open.txt b true', 'open.txt c true', 'open.txt  true'],
  ]);
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'WORKING', 'COMPLETED']);
  expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 1, turn: 1 });
});

it('counts the attempts after errors, and replays what was recorded before them', async () => {
  const engine = await engines.start();
  const attempts: number[] = [];
  let steps = 0;
  const agent = engines.agent({
    async run(task) {
      attempts.push(task.attempt);
      await task.status('Started');
      const value = await task.step('count', () => ++steps);
      if (task.attempt < 3) throw new Error('not yet');
      return `step ${value} of attempt ${task.attempt}`;
    },
  });
  const task = await engine.send(agent, 'go');
  expect(textOf(task.status?.message)).toBe('step 1 of attempt 3');
  expect(attempts).toEqual([1, 2, 3]);
  expect(steps).toBe(1);
  expect(await tables.states(task.id!)).toEqual(['SUBMITTED', 'WORKING', 'WORKING', 'COMPLETED']);
});

it('gives the first run the same copy of a result as the replays get', async () => {
  const engine = await engines.start();
  const results: unknown[] = [];
  const agent = engines.agent({
    async run(task) {
      const made = { date: new Date(0), nothing: undefined, list: [1, 'ä\ud83d', '\0'] };
      results.push(await task.step('value', () => made), await task.step('void', () => undefined));
      if (task.attempt === 1) throw new Error('again');
    },
  });
  await engine.send(agent, 'go');
  const copy = { date: '1970-01-01T00:00:00.000Z', list: [1, 'ä\ud83d', '\0'] };
  expect(results).toEqual([copy, undefined, copy, undefined]);
  expect(results[0]).not.toHaveProperty('nothing');
});

it('records steps that run side by side under their own places', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      const slow = new Gate();
      const step = (name: string, wait?: Promise<void>) =>
        task.step(name, async () => {
          await wait;
          calls.push(name);
          return name;
        });
      const results = Promise.all([step('slow', slow.opened), step('quick').finally(() => slow.open())]);
      if (task.attempt === 1) {
        await results;
        throw new Error('again');
      }
      return (await results).join(' ');
    },
  });
  const task = await engine.send(agent, 'go');
  expect(textOf(task.status?.message)).toBe('slow quick');
  expect(calls).toEqual(['quick', 'slow']);
});

it('calls the function of a step only when all that was emitted before it is committed', async () => {
  const engine = await engines.start();
  const [ready, go] = [new Gate(), new Gate()];
  let called = false;
  const agent = engines.agent({
    async run(task) {
      ready.open();
      await go.opened;
      await task.status('About to do it');
      await task.step('effect', () => void (called = true));
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await ready.opened;
  await tables.until(id!, 'WORKING');
  const release = await tables.hold(id!);
  go.open();
  await tables.untilBlocked(COMMITTER);
  expect(called).toBe(false);
  await release();
  await tables.until(id!, 'COMPLETED');
  expect(called).toBe(true);
});

it('runs an agent that uses no durable call again from the top', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    run: (task) => {
      if (task.attempt < 2) throw new Error('again');
      return `${textOf(task.message)} ${task.tenant} ${task.principal} ${JSON.stringify(task.metadata)} ${task.history.length}`;
    },
  });
  const task = await engine.send(agent, 'hello');
  expect(textOf(task.status?.message)).toBe('hello acme alice {} 1');
});

it('keeps every artifact that a run writes, however it writes them', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const named = task.artifact({
        artifactId: 'mine',
        name: 'n',
        description: 'd',
        mediaType: 'text/csv',
        metadata: { a: 1 },
      });
      const other = task.artifact();
      await Promise.all([named.append('1'), other.append([{ data: { x: [null, 1.5] } }, 'text'])]);
      await named.write(['2', { text: '3', mediaType: 'text/plain' }]);
      await other.close();
      await expect(named.append('4')).rejects.toThrow('closed');
    },
  });
  const task = await engine.send(agent, 'go');
  expect(task.artifacts).toEqual([
    {
      ...{ artifactId: 'mine', name: 'n', description: 'd', metadata: { a: 1 } },
      parts: ['1', '2'].map((text) => ({ text, mediaType: 'text/csv' })).concat({ text: '3', mediaType: 'text/plain' }),
    },
    { artifactId: 'artifact-1-2', parts: [{ data: { x: [null, 1.5] } }, { text: 'text' }, { text: '' }] },
  ]);
  expect(await engine.get(agent, task.id!)).toEqual(task);
});
