import { describe, expect, it, vi } from 'vitest';
import { clientError } from '../../libs/bindings/src/client-error.js';
import { type AgentTask } from '../../libs/agents/src/sdk.js';
import { type Config } from '#platform';
import { A2AError } from '#protocol';
import { DatabaseUnavailableError } from '#store';
import { artifactTexts, type Engine, textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const LARGE = 'x'.repeat(100_000);

/** The results that stand in rows of their own, by position. */
async function keptResults(id: string): Promise<{ position: number; value: string }[]> {
  return tables.rows('select position, value from perdure.task_results where task_id = $1 order by position', [id]);
}

/** Counts the results that an engine reads from rows of their own, by position. */
function readsOf({ tasks }: Engine): number[] {
  const { results } = tasks.store;
  const read: number[] = [];
  const find = results.find.bind(results);
  vi.spyOn(results, 'find').mockImplementation((db, key, place) => {
    read.push(place.position);
    return find(db, key, place);
  });
  return read;
}

describe('a large result of a step', () => {
  it('stands in a row of its own, and comes back as it was; a small one stands in its record', async () => {
    const engine = await engines.start();
    let calls = 0;
    const seen: string[] = [];
    const agent = engines.agent({
      async run(task) {
        const make = (text: string) => () => ({ text, call: ++calls });
        const results = [await task.step('small', make('y')), await task.step('large', make(LARGE))];
        seen.push(JSON.stringify(results));
        await task.sleep('1h');
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await asleep(tables, id!);
    const value = JSON.stringify({ text: LARGE, call: 2 });
    expect(await keptResults(id!)).toEqual([{ position: 2, value }]);
    const records = await tables.journal(id!);
    expect(records.slice(0, 2).map((record) => record.value)).toEqual(['{"text":"y","call":1}', `@${value.length}`]);
    await hasten(tables, id!);
    await tables.until(id!, 'COMPLETED');
    expect(seen[1]).toBe(seen[0]);
    expect(calls).toBe(2);
  });

  it('is read when its call is replayed, and not otherwise', async () => {
    const engine = await engines.start();
    const read = readsOf(engine);
    const go = new Gate();
    const agent = engines.agent({
      async run(task) {
        if (textOf(task.message) !== 'go') return 'second turn';
        await task.step('one', () => LARGE);
        await task.sleep('1h');
        await task.step('two', () => LARGE);
        await task.requestInput('More?');
        await go.opened;
        return 'first turn';
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await asleep(tables, id!);
    expect(read).toEqual([]);
    await hasten(tables, id!);
    await tables.until(id!, 'INPUT_REQUIRED');
    expect(read).toEqual([1]);
    await engine.submit(agent, { taskId: id, parts: [{ text: 'answer' }] });
    await engine.submit(agent, { taskId: id, parts: [{ text: 'next turn' }] });
    go.open();
    await tables.until(id!, 'COMPLETED');
    expect(read).toEqual([1, 1, 3]);
  });

  it('is made again after a crash between the result and its record, which leaves nothing that hangs in the air', async () => {
    const first = await engines.start({ mayCrash: true });
    const agent = engines.agent({ run: (task) => task.step('make', () => `${crypto.randomUUID()}${LARGE}`) });
    const { results } = first.tasks.store;
    const keep = results.keep.bind(results);
    const kept = new Gate();
    vi.spyOn(results, 'keep').mockImplementation(async (...call) => {
      await keep(...call);
      kept.open();
      return forever();
    });
    const { id } = await first.submit(agent, 'go');
    await kept.opened;
    const [orphan] = await keptResults(id!);
    expect(await tables.journal(id!)).toEqual([]);
    await first.crash();
    await tables.forget();
    const second = await engines.start();
    await tables.until(id!, 'COMPLETED');
    const [result, ...others] = await keptResults(id!);
    expect(others).toEqual([]);
    expect(result!.value).not.toBe(orphan!.value);
    const done = await second.get(agent, id!);
    expect(JSON.parse(result!.value)).toBe(textOf(done.status?.message));
  });

  it('is not overwritten by a run that has lost its lease meanwhile', async () => {
    const engine = await engines.start({ config: { leaseMs: 60_000 } });
    const gates = [new Gate(), new Gate()];
    let runs = 0;
    const agent = engines.agent({
      async run(task) {
        const run = runs++;
        await task.step('make', async () => {
          if (run > 0) return `${run}${LARGE}`;
          gates[0]!.open();
          await gates[1]!.opened;
          return `stale${LARGE}`;
        });
        return 'Done';
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await gates[0]!.opened;
    await tables.rows(
      `update perdure.tasks set lease_owner = 'dead', lease_token = lease_token + 1, run_at = now() - interval '1 hour' where id = $1`,
      [id],
    );
    await engines.start();
    await tables.until(id!, 'COMPLETED');
    gates[1]!.open();
    await tables.waitFor(async () => expect(engine.log.some(({ msg }) => msg === 'run.stopped')).toBe(true));
    expect(await keptResults(id!)).toEqual([{ position: 1, value: JSON.stringify(`1${LARGE}`) }]);
  });

  it('is written when the database is back, and its step is not called again for that', async () => {
    const engine = await engines.start();
    const { results } = engine.tasks.store;
    vi.spyOn(results, 'keep')
      .mockRejectedValueOnce(new DatabaseUnavailableError(new Error('away')))
      .mockRejectedValueOnce(new DatabaseUnavailableError(new Error('away')));
    let calls = 0;
    const agent = engines.agent({
      async run(task) {
        await task.step('make', () => `${++calls}${LARGE}`);
        return 'Done';
      },
    });
    const { id } = await engine.send(agent, 'go');
    expect(await keptResults(id!)).toEqual([{ position: 1, value: JSON.stringify(`1${LARGE}`) }]);
    expect(calls).toBe(1);
  });
});

describe('over a limit', () => {
  const parts = Array.from({ length: 11 }, () => ({ text: 'x' }));
  const limits: [setting: string, fact: RegExp, config: Partial<Config>, run: (task: AgentTask) => unknown][] = [
    [
      'PERDURE_MAX_RESULT',
      /result of step "load" has 2050 bytes; the limit is 2048 .*keep it elsewhere/,
      { maxResultBytes: 2_048 },
      (task) => task.step('load', () => 'x'.repeat(2_048)),
    ],
    [
      'PERDURE_MAX_RECORDS',
      /the turn has 12 recorded calls; that is the limit .*do more in one step/,
      { maxRecordsPerTurn: 12 },
      async (task) => {
        for (let i = 0; i < 20; i++) await task.random();
      },
    ],
    [
      'PERDURE_MAX_EVENT_RATE',
      /more than 20 events a second .*put more into each/,
      { maxEventsPerSecond: 20 },
      async (task) => {
        for (let i = 0; i < 50_000; i++) await task.status('x');
      },
    ],
    [
      'PERDURE_MAX_PARTS',
      /an event has 11 parts; the limit is 10/,
      { maxPartsPerMessage: 10 },
      (task) => task.status(parts),
    ],
    ['PERDURE_MAX_PARTS', /11 parts/, { maxPartsPerMessage: 10 }, (task) => task.artifact().write(parts)],
    ['PERDURE_MAX_PARTS', /11 parts/, { maxPartsPerMessage: 10 }, () => parts],
    [
      'PERDURE_MAX_ARTIFACTS',
      /artifacts of the task have more than 10000 bytes together; that is the limit .*keep them elsewhere/,
      { maxArtifactBytes: 10_000 },
      async (task) => {
        for (let i = 0; i < 100; i++) await task.artifact().append('x'.repeat(1_000));
      },
    ],
    ['PERDURE_MAX_EVENT', /the limit is 2048/, { maxEventBytes: 2_048 }, () => 'x'.repeat(3_000)],
    [
      'PERDURE_MAX_EVENTS',
      /the task has 49 events/,
      { maxEventsPerTask: 50 },
      async (task) => {
        for (;;) await task.status('x');
      },
    ],
  ];

  it.each(limits)(
    '%s: the task fails at once, the author is told by the log, the client by its name',
    async (...limit) => {
      const [setting, fact, config, run] = limit;
      const engine = await engines.start({ config });
      const agent = engines.agent({ run: async (task) => (await run(task)) as string });
      const task = await engine.send(agent, 'go');
      const lines = engine.log.filter(({ msg }) => msg === 'run.failed');
      expect(lines).toMatchObject([
        { level: 'error', agent, task: task.id, final: true, err: { type: 'OverLimitError' } },
      ]);
      expect(lines[0]!.err!.message).toMatch(fact);
      expect(lines[0]!.err!.message).toContain(`(${setting})`);
      expect(task.status?.message?.metadata).toEqual({ reason: 'limit', setting, errorId: lines[0]!.errorId });
      expect(textOf(task.status?.message)).toBe(`The agent failed. Error id: ${String(lines[0]!.errorId)}`);
    },
  );

  it('of events a second, ten seconds’ worth have come through', async () => {
    const engine = await engines.start({ config: { maxEventsPerSecond: 20 } });
    const agent = engines.agent({
      async run(task) {
        const out = task.artifact();
        for (let i = 0; i < 190; i++) await out.append('x');
      },
    });
    const task = await engine.send(agent, 'go');
    expect(task.status?.state).toBe('TASK_STATE_COMPLETED');
    expect(artifactTexts(task)).toHaveLength(190);
  });

  it('of artifacts, those of earlier runs count, and one that starts over counts once', async () => {
    const engine = await engines.start({ config: { maxArtifactBytes: 10_000 } });
    const agent = engines.agent({
      async run(task) {
        await task.artifact({ name: 'first' }).write('x'.repeat(4_000));
        // Left open: it starts over on replay.
        await task.artifact({ name: 'second' }).append('x'.repeat(4_000));
        await task.sleep('1h');
        if (textOf(task.message) === 'more') await task.artifact({ name: 'third' }).write('x'.repeat(4_000));
        return 'Done';
      },
    });
    const ends: unknown[] = [];
    for (const text of ['enough', 'more']) {
      const { id } = await engine.submit(agent, text);
      await asleep(tables, id!);
      await hasten(tables, id!);
      await tables.waitFor(async () => expect([3, 4]).toContain((await tables.task(id!)).state));
      ends.push((await engine.get(agent, id!)).status?.message?.metadata?.setting ?? 'fits');
    }
    expect(ends).toEqual(['fits', 'PERDURE_MAX_ARTIFACTS']);
  });
});

it('refuses a client’s message that is too large, to a new task and to one that waits; nothing is stored', async () => {
  const engine = await engines.start({ config: { maxMessageBytes: 2_048 } });
  const agent = engines.agent({ run: (task) => task.requestInput('Who?').then(() => 'Done') });
  const { id } = await engine.send(agent, 'x'.repeat(1_500));
  const before = await tables.everything();
  for (const taskId of [undefined, id]) {
    const error = await engine.send(agent, { taskId, parts: [{ text: 'x'.repeat(2_000) }] }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      reason: 'INVALID_PARAMS',
      violations: [{ field: 'message', description: 'has more than 2048 bytes; that is the limit' }],
    });
  }
  expect(await tables.everything()).toBe(before);
  await engine.cancel(agent, id!);
});

it('refuses an answer of respond that is too large: the client learns whose fault it was, the log what it was', async () => {
  const engine = await engines.start({ config: { maxEventBytes: 2_048, maxPartsPerMessage: 10 } });
  const answers = {
    long: 'x'.repeat(3_000),
    'many parts': Array.from({ length: 11 }, () => 'x'),
    fine: 'x'.repeat(1_500),
  };
  const agent = engines.agent({
    run: () => undefined,
    respond: ({ message }) => answers[textOf(message) as keyof typeof answers],
  });
  expect(textOf((await engine.answer(agent, 'fine')).message)).toBe(answers.fine);
  for (const [text, fact] of [
    ['long', 'the answer has more than 2048 bytes; that is the limit (PERDURE_MAX_EVENT)'],
    ['many parts', 'the answer has 11 parts; the limit is 10 (PERDURE_MAX_PARTS)'],
  ]) {
    const thrown: unknown = await engine.answer(agent, text!).catch((error: unknown) => error);
    const { error, details } = clientError(thrown, engine.tasks.logger, { agent });
    expect(error).toMatchObject({ reason: 'INVALID_AGENT_RESPONSE', message: 'The agent gave an invalid response' });
    expect(error).toBeInstanceOf(A2AError);
    expect(JSON.stringify(details)).not.toContain('limit');
    const line = engine.log.findLast(({ msg }) => msg === 'agent.invalid_response');
    expect(line).toMatchObject({ level: 'error', agent, err: { message: fact } });
  }
});
