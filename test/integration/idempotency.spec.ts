import { expect, it } from 'vitest';
import { all, type Caller, textOf, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

const key = (idempotencyKey: string, more: Caller = {}): { caller: Caller } => ({
  caller: { idempotencyKey, ...more },
});

it('gives the same task for the same call, however it is made, and runs it once', async () => {
  const engine = await engines.start();
  let runs = 0;
  const agent = engines.agent({ run: () => `run ${++runs}` });
  const first = await engine.send(agent, 'go', key('a'));
  expect(await engine.send(agent, 'go', key('a'))).toEqual(first);
  const [streamed, ...rest] = await all(engine.stream(agent, 'go', key('a')));
  expect(streamed).toEqual({ sequence: 3, task: first });
  expect(rest).toEqual([]);
  expect(runs).toBe(1);
  expect((await engine.send(agent, 'go')).id).not.toBe(first.id);
});

it('gives one task to calls that are made at the same time, on two processes, blocking and streaming', async () => {
  const [first, second] = [await engines.start(), await engines.start()];
  let runs = 0;
  const agent = engines.agent({ run: () => `run ${++runs}` });
  for (let round = 0; round < 5; round++) {
    const calls = Array.from({ length: 16 }, async (_, i) => {
      const engine = i % 2 === 0 ? first : second;
      if (i % 4 < 2) return engine.send(agent, 'go', key(`round ${round}`));
      const events = await all(engine.stream(agent, 'go', key(`round ${round}`)));
      return { ...events[0]!.task!, status: (events.at(-1)!.statusUpdate ?? events.at(-1)!.task)!.status };
    });
    const tasks = await Promise.all(calls);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(1);
    for (const { status } of tasks) expect(textOf(status?.message)).toBe(`run ${round + 1}`);
  }
  expect(await tables.rows('select from perdure.tasks where agent = $1', [agent])).toHaveLength(5);
});

it('answers a repeated call when the task ends between its two looks at it', async () => {
  const front = await engines.start({ runs: false });
  const agent = engines.agent({ run: () => 'Done' });
  const first = front.send(agent, 'go', key('between'));
  const taskOf = 'select id from perdure.tasks where agent = $1';
  await tables.waitFor(async () => expect(await tables.rows(taskOf, [agent])).toHaveLength(1));
  const [{ id }] = (await tables.rows<{ id: string }>(taskOf, [agent])) as [{ id: string }];
  const watching = front.subscribe(agent, id);
  await watching.next();
  const { topics } = front.tasks.streams as unknown as { topics: Record<string, { sequence: number }> };
  const { tasks } = front.tasks.store;
  const find = tasks.find.bind(tasks);
  tasks.find = async (db, wanted) => {
    const row = await find(db, wanted);
    tasks.find = find;
    await engines.start();
    await tables.waitFor(async () => expect(topics[`acme/${id}`]?.sequence).toBe(3));
    return row;
  };
  const repeated = await front.send(agent, 'go', key('between'));
  expect(repeated.status?.state).toBe('TASK_STATE_COMPLETED');
  expect(repeated).toEqual(await first);
  await watching.return(undefined);
});

it('refuses another request under the same key, and stores nothing of it', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: () => 'Done' });
  const { id } = await engine.send(agent, 'go', key('b'));
  const before = await tables.everything();
  const others = [
    () => engine.send(agent, 'other', key('b')),
    () => engine.send(agent, { messageId: 'm-2', parts: [{ text: 'go' }] }, key('b')),
    () => engine.send(agent, { taskId: id, parts: [{ text: 'go' }] }, key('b')),
    () => all(engine.stream(agent, 'other', key('b'))),
  ];
  for (const other of others) {
    await expect(other()).rejects.toMatchObject({
      reason: 'INVALID_PARAMS',
      violations: [{ field: 'Idempotency-Key' }],
    });
  }
  expect(await tables.everything()).toBe(before);
});

it('keeps the keys of agents, callers and tenants apart', async () => {
  const engine = await engines.start();
  const agents = [engines.agent({ run: () => 'Done' }), engines.agent({ run: () => 'Done' })];
  const callers = [{}, { principal: 'bob' }, { tenant: 'other' }, { tenant: 'acme/alice', principal: '' }];
  const tasks = await Promise.all(
    agents.flatMap((agent) => callers.map((caller) => engine.send(agent, 'go', key('c', caller)))),
  );
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(8);
});

it('takes a follow-up in once', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    run: async (task) =>
      [textOf(await task.requestInput('First?')), textOf(await task.requestInput('Second?'))].join(' '),
  });
  const { id } = await engine.send(agent, 'go');
  const answer = () => engine.send(agent, { taskId: id, parts: [{ text: 'one' }] }, key('d'));
  const repeated = await Promise.all([answer(), answer(), answer()]);
  for (const task of repeated) expect(task.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
  expect(textOf((await answer()).status?.message)).toBe('Second?');
  const done = await engine.send(agent, { taskId: id, parts: [{ text: 'two' }] }, key('e'));
  expect(textOf(done.status?.message)).toBe('one two');
  // What the keys stand for is the task, as it is by now.
  expect(await answer()).toEqual(done);
});

it('keeps an answer without a task', async () => {
  const engine = await engines.start();
  let answers = 0;
  const agent = engines.agent({ respond: () => `answer ${++answers}`, run: () => 'Done' });
  const first = await engine.answer(agent, 'go', key('f'));
  expect(await engine.answer(agent, 'go', key('f'))).toEqual(first);
  const raced = await Promise.all(Array.from({ length: 8 }, () => engine.answer(agent, 'go', key('g'))));
  for (const answer of raced) expect(answer).toEqual(raced[0]);
  await expect(engine.answer(agent, 'other', key('f'))).rejects.toMatchObject({ reason: 'INVALID_PARAMS' });
  expect((await engine.answer(agent, 'go')).message?.messageId).not.toBe(first.message?.messageId);
});

it('does not keep a call that was refused', async () => {
  const engine = await engines.start();
  const agent = engines.agent({ run: () => 'Done' });
  await expect(engine.send(agent, { role: 'ROLE_AGENT' }, key('h'))).rejects.toMatchObject({
    reason: 'INVALID_PARAMS',
  });
  await expect(engine.send(agent, { taskId: crypto.randomUUID() }, key('h'))).rejects.toMatchObject({
    reason: 'TASK_NOT_FOUND',
  });
  expect(textOf((await engine.send(agent, 'go', key('h'))).status?.message)).toBe('Done');
});

it('answers a repeated follow-up like the first one, although the task has ended since', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      await task.requestInput('Which?');
      return 'Done';
    },
  });
  const { id } = await engine.send(agent, 'go');
  const answer = { taskId: id, messageId: 'answer', parts: [{ text: 'this' }] };
  const first = await engine.send(agent, answer, key('answer'));
  expect(first.status?.state).toBe('TASK_STATE_COMPLETED');
  // The repeated call looked its key up before the first one had stored it.
  const { idempotency } = engine.tasks.store;
  const find = idempotency.find.bind(idempotency);
  idempotency.find = async () => {
    idempotency.find = find;
    return undefined;
  };
  expect(await engine.send(agent, answer, key('answer'))).toEqual(first);
});
