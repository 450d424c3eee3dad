import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useEngines } from '../support/engine.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { forever, Gate } from '../support/gate.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

/** Holds up every new task; answers with the way to let go, or to make them fail. */
async function holdAcceptance() {
  const client = new pg.Client(database.url);
  client.on('error', () => undefined);
  onTestFinished(() => client.end());
  await client.connect();
  await client.query('begin');
  await client.query('lock table perdure.tasks in share row exclusive mode');
  return {
    last: (seconds: number) => client.query('select pg_sleep($1)', [seconds]),
    release: () => client.query('commit'),
    async refuse() {
      await client.query(
        `create function perdure.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$`,
      );
      await client.query('create trigger refuse before insert on perdure.tasks execute function perdure.refuse()');
      await client.query('commit');
      onTestFinished(async () => void (await tables.rows('drop function perdure.refuse() cascade')));
    },
  };
}

const eventsOf = (id: string) =>
  tables.rows<{ xmin: string }>('select xmin from perdure.task_events where task_id = $1', [id]);

describe('a run that begins beside the acceptance of its task', () => {
  it('is committed together with the task, when it is short', async () => {
    const engine = await engines.start();
    const agent = engines.agent({
      async run(task) {
        await task.status('Working');
        await task.artifact({ name: 'a' }).write('1');
        await task.uuid();
        return 'Done';
      },
    });
    const { id, status } = await engine.send(agent, 'go');
    expect(status?.state).toBe('TASK_STATE_COMPLETED');
    const versions = await eventsOf(id!);
    expect(versions.length).toBeGreaterThan(4);
    expect(new Set(versions.map(({ xmin }) => xmin)).size).toBe(1);
    const records = await tables.rows('select kind from perdure.task_journal where task_id = $1 order by position', [
      id,
    ]);
    expect(records.map(({ kind }) => kind as string)).toContain('uuid');
  });

  it('does nothing outside before the task is accepted', async () => {
    const engine = await engines.start();
    const begun = new Gate();
    const effects: string[] = [];
    const agent = engines.agent({
      async run(task) {
        begun.open();
        await task.step('charge', () => void effects.push('charged'));
        return 'Done';
      },
    });
    const acceptance = await holdAcceptance();
    const answer = engine.send(agent, 'go');
    await begun.opened;
    await tables.untilBlocked('perdure committer');
    expect(effects).toEqual([]);
    await acceptance.release();
    expect((await answer).status?.state).toBe('TASK_STATE_COMPLETED');
    expect(effects).toEqual(['charged']);
  });

  it('is stopped when the task is not accepted, and leaves nothing', async () => {
    const engine = await engines.start();
    const [begun, stopped] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        task.signal.addEventListener('abort', () => stopped.open());
        begun.open();
        await task.status('Working');
        await forever();
      },
    });
    const acceptance = await holdAcceptance();
    const answer = engine.send(agent, 'go', { caller: { tenant: 'refused' } });
    await begun.opened;
    await acceptance.refuse();
    await expect(answer).rejects.toThrow();
    await stopped.opened;
    expect(await tables.rows(`select task_id from perdure.task_events where tenant_id = 'refused'`)).toEqual([]);
  });

  it('waits for the commit where the message may stand for an earlier task', async () => {
    const engine = await engines.start();
    const calls: string[] = [];
    const agent = engines.agent({ run: (task) => void calls.push(task.id) });
    const caller = { idempotencyKey: 'k' };
    const acceptance = await holdAcceptance();
    const answers = [engine.send(agent, 'go', { caller }), engine.send(agent, 'go', { caller })];
    await tables.untilBlocked('perdure committer');
    expect(calls).toEqual([]);
    await acceptance.release();
    const [first, second] = await Promise.all(answers);
    expect(second!.id).toBe(first!.id);
    expect(calls).toEqual([first!.id]);
  });

  it('keeps its lease when the acceptance takes longer than the lease', async () => {
    // The one slot: nobody takes the task up before the run has renewed its lease.
    const engine = await engines.start({ config: { leaseMs: 1_000, workerConcurrency: 1 } });
    const begun = new Gate();
    const go = new Gate();
    const agent = engines.agent({
      async run(task) {
        begun.open();
        await go.opened;
        return `attempt ${task.attempt}`;
      },
    });
    const acceptance = await holdAcceptance();
    const answer = engine.send(agent, 'go');
    await begun.opened;
    await acceptance.last(1.2);
    await acceptance.release();
    go.open();
    const task = await answer;
    expect(await tables.task(task.id!)).toMatchObject({ lost: 0, attempt: 0 });
  });

  it('is handed back by a drain that meets the acceptance under way', async () => {
    const [first, second] = [await engines.start(), await engines.start()];
    second.tasks.eager.detach();
    const begun = new Gate();
    let runs = 0;
    const agent = engines.agent({
      async run() {
        if (++runs > 1) return 'Done';
        begun.open();
        return forever();
      },
    });
    const acceptance = await holdAcceptance();
    const accepted = first.submit(agent, 'go');
    await begun.opened;
    const stopped = first.stop();
    await tables.untilBlocked('perdure committer');
    await acceptance.release();
    const { id } = await accepted;
    await stopped;
    await tables.until(id!, 'COMPLETED');
    expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 0 });
  });

  it('is handed back when the database fails it before the acceptance is committed', async () => {
    const proxy = await DatabaseProxy.start(database.url);
    onTestFinished(() => proxy.close());
    const engine = await engines.start({ url: proxy.url, config: { leaseMs: 60_000 } });
    const [begun, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        begun.open();
        await go.opened;
        await task.now();
        return 'Done';
      },
    });
    const acceptance = await holdAcceptance();
    const answer = engine.send(agent, 'go');
    await begun.opened;
    await tables.untilBlocked('perdure committer');
    proxy.refuse(true);
    go.open();
    await tables.waitFor(async () => expect(engine.log.map(({ msg }) => msg)).toContain('run.interrupted'));
    proxy.refuse(false);
    await acceptance.release();
    const { id, status } = await answer;
    expect(status?.state).toBe('TASK_STATE_COMPLETED');
    expect(await tables.task(id!)).toMatchObject({ lost: 0, attempt: 0 });
  });
});
