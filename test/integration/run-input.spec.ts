import { expect, it } from 'vitest';
import { all, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

it('ends the run at a question and resumes with the answer, without doing anything twice', async () => {
  const engine = await engines.start();
  const calls: string[] = [];
  const agent = engines.agent({
    async run(task) {
      calls.push(`run ${textOf(task.message)} ${task.history.length}`);
      await task.status('Reading');
      await task.step('load', () => calls.push('load'));
      const quarter = await task.requestInput('Which quarter?');
      await task.step('save', () => calls.push(`save ${textOf(quarter)}`));
      const grant = await task.requestAuth('May I send it?');
      return `${textOf(quarter)} ${textOf(grant)}`;
    },
  });
  const asked = await engine.send(agent, 'report');
  expect(asked.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
  expect(textOf(asked.status?.message)).toBe('Which quarter?');
  const authorised = await engine.send(agent, { taskId: asked.id, parts: [{ text: 'Q3' }] });
  expect(authorised.status?.state).toBe('TASK_STATE_AUTH_REQUIRED');
  const done = await engine.send(agent, { taskId: asked.id, parts: [{ text: 'yes' }] });

  expect(textOf(done.status?.message)).toBe('Q3 yes');
  expect(calls).toEqual(['run report 1', 'load', 'run report 1', 'save Q3', 'run report 1']);
  expect(done.history?.map(textOf)).toEqual(['report', 'Which quarter?', 'Q3', 'May I send it?', 'yes']);
  expect(await engine.get(agent, asked.id!)).toEqual(done);
  expect(await tables.states(asked.id!)).toEqual([
    'SUBMITTED',
    'WORKING',
    'WORKING',
    'INPUT_REQUIRED',
    'WORKING',
    'AUTH_REQUIRED',
    'WORKING',
    'COMPLETED',
  ]);
});

it('resumes on another process than the one that asked', async () => {
  const [first, agent] = [
    await engines.start(),
    engines.agent({ run: async (task) => `Hello ${textOf(await task.requestInput('Who?'))}` }),
  ];
  const asked = await first.send(agent, 'hi');
  await first.stop();
  const second = await engines.start();
  const done = await second.send(agent, { taskId: asked.id, parts: [{ text: 'Ada' }] });
  expect(textOf(done.status?.message)).toBe('Hello Ada');
});

it('answers a question at once with a message that came before it was asked', async () => {
  const engine = await engines.start();
  const [running, go] = [new Gate(), new Gate()];
  const agent = engines.agent({
    async run(task) {
      running.open();
      await go.opened;
      const answers = [await task.requestInput('First?'), await task.requestInput('Second?')];
      return answers.map(textOf).join(' ');
    },
  });
  const { id } = await engine.submit(agent, 'go');
  await running.opened;
  await engine.submit(agent, { taskId: id, parts: [{ text: 'early' }] });
  go.open();
  await tables.until(id!, 'INPUT_REQUIRED');
  const asked = await engine.get(agent, id!);
  expect(textOf(asked.status?.message)).toBe('Second?');
  const done = await engine.send(agent, { taskId: id, parts: [{ text: 'late' }] });
  expect(textOf(done.status?.message)).toBe('early late');
  expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'INPUT_REQUIRED', 'WORKING', 'COMPLETED']);
});

it('takes an answer that arrives while the question is being committed', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: async (task) => `got ${textOf(await task.requestInput('Who?'))}` });
  // Each answer races with its question; whichever way it goes, it is taken exactly once.
  const done = await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const { id } = await engine.submit(agent, 'hi');
      return engine.send(agent, { taskId: id, parts: [{ text: String(i) }] });
    }),
  );
  expect(done.map((task) => textOf(task.status?.message))).toEqual(done.map((_, i) => `got ${i}`));
});

it('gives the handler the answer as the client sent it', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const answer = await task.requestInput([{ data: { choices: ['a', 'b'] } }, 'Which?']);
      return [{ data: answer as never }];
    },
  });
  const asked = await engine.send(agent, 'go');
  expect(asked.status?.message?.parts).toEqual([{ data: { choices: ['a', 'b'] } }, { text: 'Which?' }]);
  const answer = { messageId: 'm-7', parts: [{ data: { chosen: 'b' } }], metadata: { from: 'me' } };
  const done = await engine.send(agent, { ...answer, taskId: asked.id });
  const { id, contextId } = asked;
  expect(done.status?.message?.parts?.[0]?.data).toEqual({ ...answer, role: 'ROLE_USER', taskId: id, contextId });
});

it('ends a stream at a question, and shows the rest to a subscriber', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      await task.requestInput('Go on?');
      await task.status('Going on');
    },
  });
  const asked = await all(engine.stream(agent, 'hi'));
  expect(asked.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  const id = asked[0]!.task!.id!;
  const subscription = engine.subscribe(agent, id);
  const { value: snapshot } = await subscription.next();
  expect(snapshot).toMatchObject({ sequence: 3, task: { status: { state: 'TASK_STATE_INPUT_REQUIRED' } } });
  await engine.submit(agent, { taskId: id });
  const rest = await all(subscription);
  expect(rest.map(({ sequence, statusUpdate }) => [sequence, statusUpdate?.status?.state])).toEqual([
    [4, 'TASK_STATE_WORKING'],
    [5, 'TASK_STATE_WORKING'],
    [6, 'TASK_STATE_COMPLETED'],
  ]);
});

it('is refused to a handler that returns while it asks, and the task ends', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      void task.step('slow', () => new Promise((resolve) => setTimeout(resolve, 100)));
      void task.requestInput('Which?');
    },
  });
  const task = await engine.send(agent, 'go');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  expect(await tables.task(task.id!)).toMatchObject({ lease_owner: null, run_at: null, lost: 0 });
});
