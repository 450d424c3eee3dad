import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { smallDisk, type SmallDisk } from '../support/small-disk.js';
import { TaskTables } from '../support/task-tables.js';

const LARGE = 'x'.repeat(500_000);
let disk: SmallDisk;
let tables: TaskTables;
const engines = useEngines({
  get url() {
    return disk.url;
  },
});

beforeAll(async () => {
  disk = await smallDisk();
  tables = new TaskTables(disk);
});
afterAll(async () => {
  await tables.close();
  await disk.remove();
});

/** Sends until the database has no room left; answers with what the caller was told. */
async function refusal(engine: Engine, agent: string): Promise<unknown> {
  for (;;) {
    const told = await engine.submit(agent, LARGE).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (told) return told;
  }
}

it('refuses new tasks while the disk is full, keeps the runs under way, and goes on when there is room', async () => {
  const engine = await engines.start();
  const [running, go] = [new Gate(), new Gate()];
  const long = engines.agent({
    async run(task) {
      await task.step('before', () => null);
      running.open();
      await go.opened;
      await task.artifact().write(LARGE);
      return await task.step('after', () => `Done in attempt ${task.attempt}`);
    },
  });
  const short = engines.agent({ run: () => 'Done' });
  const { id } = await engine.submit(long, 'go');
  await running.opened;

  await disk.fill();
  expect(await refusal(engine, short)).toMatchObject({ reason: 'RESOURCE_EXHAUSTED', retryAfterMs: 1_000 });
  go.open();
  const full = 'committer has no room on the disk, trying again';
  await tables.waitFor(async () => expect(engine.log.map(({ msg }) => msg)).toContain(full));
  expect(await refusal(engine, short)).toMatchObject({ reason: 'RESOURCE_EXHAUSTED' });
  expect((await engine.get(long, id!)).status?.state).toBe('TASK_STATE_WORKING');

  await disk.clear();
  await tables.until(id!, 'COMPLETED');
  expect(textOf((await engine.get(long, id!)).status?.message)).toBe('Done in attempt 1');
  expect(await tables.task(id!)).toMatchObject({ lost: 0, attempt: 0, lease_token: '1' });
  expect(textOf((await engine.send(short, 'go')).status?.message)).toBe('Done');
  await tables.waitFor(async () => expect(await tables.rows('select from perdure.tasks where state <> 3')).toEqual([]));
  await tables.expectSound();
});
