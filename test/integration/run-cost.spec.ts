import { expect, it } from 'vitest';
import { type GroupCommitter } from '#store';
import { artifactTexts, type Engine, textOf, useEngines } from '../support/engine.js';
import { forever } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { RunMemory } from '../support/run-memory.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const CHUNK = 'x'.repeat(200);

interface Cost {
  writes: number;
  statements: number;
  /** Characters handed to Postgres. */
  sent: number;
  /** The events after which a snapshot was taken. */
  snapshots: number[];
}

/** Counts what the committer of an engine does from now on. */
function costOf({ tasks }: Engine): Cost {
  const cost: Cost = { writes: 0, statements: 0, sent: 0, snapshots: [] };
  const { committer } = tasks.store;
  type Session = { query(statement: { values?: unknown[] }): unknown };
  const { session: client } = (committer as unknown as { connection: { session: Session } }).connection;
  const [query, submit] = [client.query.bind(client), committer.submit.bind(committer)];
  client.query = (statement) => {
    cost.statements++;
    cost.sent += JSON.stringify(statement.values ?? []).length;
    return query(statement);
  };
  committer.submit = (write: Parameters<GroupCommitter['submit']>[0]) => {
    cost.writes++;
    if (write.kind === 'append' && write.snapshot !== undefined) cost.snapshots.push(write.base + write.events.length);
    return submit(write);
  };
  return cost;
}

/** What it costs to write an artifact of so many chunks; each is committed by itself where `committed` says so. */
async function costOfChunks(count: number, committed: boolean): Promise<Cost> {
  const engine = await engines.start();
  const agent = engines.agent({
    async run(task) {
      const artifact = task.artifact();
      for (let i = 0; i < count; i++) {
        await artifact.append(CHUNK);
        if (committed) await forCommits(engine);
      }
      await artifact.close();
    },
  });
  const cost = costOf(engine);
  const task = await engine.send(agent, 'go');
  expect(artifactTexts(await engine.get(agent, task.id!))).toEqual([...Array<string>(count).fill(CHUNK), '']);
  expect(await tables.task(task.id!)).toMatchObject({ last_sequence: count + 4 });
  await engine.stop();
  return cost;
}

/** Resolves when nothing waits in the committer. */
async function forCommits({ tasks }: Engine): Promise<void> {
  const committer = tasks.store.committer as unknown as { busy: boolean; waiting: unknown[] };
  while (committer.busy || committer.waiting.length > 0) await new Promise((resolve) => setImmediate(resolve));
}

it('makes the last of many appends cost as much as the first', async () => {
  const [few, many] = [await costOfChunks(500, false), await costOfChunks(2_000, false)];
  expect(many.writes / few.writes).toBeLessThan(4.2);
  expect(many.sent / few.sent).toBeLessThan(5);
  // The window of 64 fills while a commit is under way.
  expect(many.statements).toBeLessThan(200);
  expect(many.sent).toBeLessThan(2_000 * 1_500);
}, 60_000);

it('does so also where each append is committed by itself', async () => {
  const cost = await costOfChunks(600, true);
  expect(cost.statements).toBeGreaterThan(600);
  expect(cost.statements).toBeLessThan(620);
  expect(cost.sent).toBeLessThan(600 * 1_500);
});

it('takes snapshots at distances that double, and reads what came after them from the log', async () => {
  const { snapshots } = await costOfChunks(2_000, false);
  expect(snapshots.at(-1)).toBe(2_004);
  const scheduled = snapshots.slice(0, -1);
  expect(scheduled.length).toBeGreaterThanOrEqual(3);
  for (const [i, sequence] of scheduled.entries())
    expect(sequence).toBeGreaterThanOrEqual(2 * (scheduled[i - 1] ?? 128));
});

it('keeps nothing in memory of tasks that wait for their client', async () => {
  const engine = await engines.start();
  const memory = new RunMemory(engine, tables);
  const agent = engines.agent({
    async run(task) {
      const ballast = memory.ballast(task);
      await task.status('Before the question');
      // What else the handler waits for goes with it.
      const [answer] = await Promise.all([
        task.requestInput(`${ballast.length}?`),
        textOf(task.message) === 'x' ? 1 : forever(),
      ]);
      return textOf(answer);
    },
  });
  await engine.send(agent, 'a first one, so that everything is there that stays');
  memory.begin();
  const waiting = await Promise.all(Array.from({ length: 200 }, () => engine.send(agent, 'x')));
  for (const task of waiting) expect(task.status?.state).toBe('TASK_STATE_INPUT_REQUIRED');
  await memory.untilReleased(200);

  const done = await Promise.all(
    waiting.map(({ id }, i) => engine.send(agent, { taskId: id, parts: [{ text: String(i) }] }, {})),
  );
  expect(done.map((task) => textOf(task.status?.message))).toEqual(done.map((_, i) => String(i)));
});
