import { describe, expect, it } from 'vitest';
import { type AgentTask } from '../../libs/agents/src/sdk.js';
import { artifactTexts, type Engine, textOf, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

/** What the tests give to calls that do not take it. */
function junk<T>(value: unknown): T {
  return value as T;
}

const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;

/** Runs a handler once, and expects the task to fail for what its author did; answers with the explanation in the log. */
async function failureOf(engine: Engine, run: (task: AgentTask) => unknown): Promise<string> {
  let runs = 0;
  const agent = engines.agent({
    run: async (task) => {
      runs++;
      return (await run(task)) as string;
    },
  });
  const task = await engine.send(agent, 'go');
  const failure = engine.log.findLast(({ msg }) => msg === 'run.failed');
  expect(task.status?.state).toBe('TASK_STATE_FAILED');
  expect(textOf(task.status?.message)).toBe(`The agent failed. Error id: ${String(failure?.errorId)}`);
  expect(runs).toBe(1);
  expect(failure?.err).toMatchObject({ type: expect.stringMatching(/^(InvalidOutput|OverLimit)Error$/) });
  expect(await engine.get(agent, task.id!)).toEqual(task);
  return failure!.err!.message;
}

describe('nonsense', () => {
  const emitted: [string, (task: AgentTask) => unknown, RegExp][] = [
    ['a number as status', (task) => task.status(junk(7)), /content\[0\] must be a string or a part, not number/],
    ['nothing as status', (task) => task.status(junk(undefined)), /not undefined/],
    ['no parts', (task) => task.status([]), /empty list/],
    ['an unknown field', (task) => task.status(junk({ text: 'x', colour: 'red' })), /unknown field colour/],
    ['two contents in a part', (task) => task.status({ text: 'x', data: 1 }), /content\[0\]/],
    ['a part without content', (task) => task.status({ filename: 'x' }), /exactly one of/],
    ['a text that is none', (task) => task.status(junk({ text: 5 })), /text/],
    ['a NUL character', (task) => task.status('a\0b'), /U\+0000/],
    ['half a surrogate pair', (task) => task.status([{ text: '\udc00' }]), /surrogate/],
    ['a function as data', (task) => task.status(junk({ data: { a: () => 1 } })), /a is a function/],
    ['NaN as data', (task) => task.status({ data: { a: NaN } }), /a is NaN/],
    ['a BigInt as data', (task) => task.status(junk({ data: 1n })), /BigInt/],
    ['cyclic data', (task) => task.status(junk({ data: cyclic })), /circular/i],
    ['deep data', (task) => task.status(junk({ data: JSON.parse('['.repeat(200) + ']'.repeat(200)) })), /deeper/],
    ['raw that is not base64', (task) => task.status({ raw: '%%%' }), /raw/],
    ['an url that is none', (task) => task.status({ url: 'no url' }), /url/],
    ['a media type that is none', (task) => task.artifact({ mediaType: 'no' }).append('x'), /media ?type/i],
    ['an artifact name that is no text', (task) => task.artifact(junk({ name: 5 })), /name/],
    ['an artifact name with a NUL character', (task) => task.artifact({ name: '\0' }), /U\+0000/],
    ['artifact metadata that are no object', (task) => task.artifact(junk({ metadata: 'x' })), /metadata/],
    ['an artifact id that is no text', (task) => task.artifact(junk({ artifactId: {} })), /artifactId/],
    ['a question that is none', (task) => task.requestInput(junk({})), /exactly one of/],
    ['a step without a name', (task) => task.step(junk(undefined), () => 1), /name of a step must be a string/],
    ['a step name with a NUL character', (task) => task.step('a\0', () => 1), /U\+0000/],
    [
      'a step result that is a function',
      (task) => task.step('s', () => () => 1),
      /result of step "s" cannot be recorded/,
    ],
    ['a step result that is cyclic', (task) => task.step('s', () => cyclic), /circular/i],
    ['a step result that is a BigInt', (task) => task.step('s', () => 10n), /BigInt/],
    ['a question beyond the limit', (task) => task.requestInput('x'.repeat(2_000_000)), /PERDURE_MAX_EVENT/],
    ['a chunk beyond the limit', (task) => task.artifact().append('x'.repeat(2_000_000)), /PERDURE_MAX_EVENT/],
  ];
  it('that is emitted fails the task at once: nothing of it is stored', async () => {
    const engine = await engines.start();
    for (const [name, run, explanation] of emitted) {
      expect(await failureOf(engine, run), name).toMatch(explanation);
    }
  });

  const returned: [string, unknown, RegExp][] = [
    ['a number', 5, /not number/],
    ['false', false, /not boolean/],
    ['an empty object', {}, /exactly one of/],
    ['a function', () => 1, /not function/],
    ['a message without parts', { parts: [] }, /empty list/],
    ['a message with parts that are none', { parts: 5 }, /not number/],
    ['a message with metadata that are none', { parts: ['x'], metadata: 5 }, /message/],
    ['more than an event may hold', 'x'.repeat(2_000_000), /PERDURE_MAX_EVENT/],
  ];
  it('that is returned fails the task at once', async () => {
    const engine = await engines.start();
    for (const [name, value, explanation] of returned) {
      expect(await failureOf(engine, () => value), name).toMatch(explanation);
    }
  });

  it('that the handler does not await fails the task, and does not end the process', async () => {
    const engine = await engines.start();
    const explanation = await failureOf(engine, (task) => {
      void task.status(junk(7));
      return 'Done';
    });
    expect(explanation).toMatch(/not number/);
  });

  it('that the handler swallows fails the task all the same', async () => {
    const engine = await engines.start();
    await failureOf(engine, async (task) => {
      await task.status(junk(7)).catch(() => undefined);
      return 'Done';
    });
  });

  it('is told from what only looks odd', async () => {
    const engine = await engines.start();
    const agent = engines.agent({
      async run(task) {
        await task.status({ text: '', filename: undefined });
        await task.status([{ data: null }, { data: junk({ when: new Date(0), not: undefined }) }]);
        return {
          messageId: 'mine',
          role: 'ROLE_USER',
          parts: [{ text: 'x' }, { raw: 'aGk=', mediaType: 'text/plain' }],
          metadata: { a: null },
        } as never;
      },
    });
    const task = await engine.send(agent, 'go');
    expect(task.status?.message).toMatchObject({ role: 'ROLE_AGENT', metadata: { a: null }, taskId: task.id });
    expect(task.status?.message?.messageId).not.toBe('mine');
    expect(task.status?.message?.parts).toEqual([{ text: 'x' }, { raw: 'aGk=', mediaType: 'text/plain' }]);
    const said = (await tables.events(task.id!)).flatMap(({ statusUpdate }) => statusUpdate?.status?.message ?? []);
    expect(said.map(({ parts }) => parts)).toEqual([
      [{ text: '' }],
      [{ data: null }, { data: { when: '1970-01-01T00:00:00.000Z' } }],
      task.status?.message?.parts,
    ]);
  });
});

describe('a flood', () => {
  it('of awaited emissions ends at the limit of events of a task', async () => {
    const engine = await engines.start({ config: { maxEventsPerTask: 50 } });
    let emitted = 0;
    const explanation = await failureOf(engine, async (task) => {
      for (;;) {
        await task.status(String(emitted));
        emitted++;
      }
    });
    expect(explanation).toMatch(/49 events.*PERDURE_MAX_EVENTS/);
    expect(emitted).toBe(47);
  });

  it('of emissions that nobody awaits fails the task and is bounded in memory', async () => {
    const engine = await engines.start();
    const explanation = await failureOf(engine, (task) => {
      const artifact = task.artifact();
      for (let i = 0; i < 5_000; i++) void artifact.append(String(i));
      return 'Done';
    });
    expect(explanation).toMatch(/not awaited/);
    const [row] = await tables.rows<{ most: number }>('select max(last_sequence) as most from perdure.tasks');
    expect(row!.most).toBeLessThan(400);
  });

  it('that the handler awaits as a whole, within bounds, goes through in order', async () => {
    const engine = await engines.start();
    // The commits come back a hundred at a time, as they do when other runs share the flushes.
    const { committer } = engine.tasks.store;
    const submit = committer.submit.bind(committer);
    let submitted = 0;
    committer.submit = async (write) => {
      const turns = submitted++ / 100;
      await submit(write);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    const agent = engines.agent({
      async run(task) {
        const artifact = task.artifact();
        await Promise.all(Array.from({ length: 250 }, (_, i) => artifact.append(String(i))));
        await artifact.close();
        return 'Done';
      },
    });
    const task = await engine.send(agent, 'go');
    expect(textOf(task.status?.message)).toBe('Done');
    expect(artifactTexts(task)).toEqual([...Array.from({ length: 250 }, (_, i) => String(i)), '']);
  });
});

it('stores what is not awaited before the end, in order', async () => {
  const engine = await engines.start();
  const agent = engines.agent({
    run(task) {
      void task.status('one');
      void task.artifact({ name: 'two' }).write('2');
      void task.status('three');
      return 'four';
    },
  });
  const task = await engine.send(agent, 'go');
  const events = (await tables.events(task.id!)).slice(2);
  expect(
    events.map(
      ({ statusUpdate, artifactUpdate }) => artifactUpdate?.artifact?.name ?? textOf(statusUpdate?.status?.message),
    ),
  ).toEqual(['one', 'two', 'three', 'four']);
});
