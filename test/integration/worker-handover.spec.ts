import { expect, it, onTestFinished } from 'vitest';
import { type ActiveRuns } from '../../libs/execution/src/active-runs.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { artifactTexts, type Engine, textOf, useEngines } from '../support/engine.js';
import { forever, Gate } from '../support/gate.js';
import { inEachMode } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

inEachMode((mode) => {
  const database = useDatabase();
  const tables = useTables(database);
  const engines = useEngines(database, mode);

  function activeRuns({ execution }: Engine): ActiveRuns {
    return (execution as unknown as { active: ActiveRuns }).active;
  }

  it('hands a long run back when it drains, without burning an attempt, and another process completes it', async () => {
    const [first, second] = [await engines.start(), await engines.start({ config: { workerConcurrency: 5 } })];
    const running = new Gate();
    const calls: string[] = [];
    const agent = engines.agent({
      async run(task) {
        calls.push(`run ${task.attempt}`);
        await task.step('once', () => void calls.push('once'));
        const artifact = task.artifact();
        await artifact.append('a');
        if (calls.length === 2) {
          running.open();
          await forever();
        }
        await artifact.write('b');
        return 'Done';
      },
    });
    const blocking = second.tasks.eager;
    blocking.detach();
    const { id } = await first.submit(agent, 'go');
    await running.opened;
    const asked = performance.now();
    await first.stop();
    // Less than a worker waits for runs that do not stop.
    expect(performance.now() - asked).toBeLessThan(4_500);
    await tables.until(id!, 'COMPLETED');
    expect(calls).toEqual(['run 1', 'once', 'run 1']);
    expect(await tables.task(id!)).toMatchObject({ attempt: 0, lost: 0 });
    expect(artifactTexts(await second.get(agent, id!))).toEqual(['a', 'b']);
  });

  it('lets the runs under way end while it drains', async () => {
    const engine = await engines.start({ config: { drainMs: 20_000 } });
    const [running, go] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run() {
        running.open();
        await go.opened;
        return 'Done';
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await running.opened;
    const stopped = engine.stop();
    go.open();
    await stopped;
    expect(await tables.states(id!)).toEqual(['SUBMITTED', 'WORKING', 'COMPLETED']);
    expect(await tables.task(id!)).toMatchObject({ lease_token: '1' });
  });

  it('starts nothing more once it drains: what it still accepts is left to others', async () => {
    const [draining, other] = [await engines.start(), await engines.start()];
    const agent = engines.agent({ run: () => 'Done' });
    await draining.execution!.drain();
    const task = await draining.send(agent, 'go');
    expect(textOf(task.status?.message)).toBe('Done');
    expect(activeRuns(draining).size).toBe(0);
    expect(other.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('keeps the lease of a run that takes longer than the lease', async () => {
    const [engine, other] = [
      await engines.start({ config: { leaseMs: 1_000 } }),
      await engines.start({ config: { leaseMs: 1_000 } }),
    ];
    const go = new Gate();
    const agent = engines.agent({ run: () => go.opened });
    const { id } = await engine.submit(agent, 'go');
    const first = (await tables.task(id!)).run_at!;
    // Two leases later.
    await tables.waitFor(async () =>
      expect((await tables.task(id!)).run_at!.getTime()).toBeGreaterThan(first.getTime() + 2_000),
    );
    go.open();
    await tables.until(id!, 'COMPLETED');
    expect(await tables.task(id!)).toMatchObject({ lease_token: '1', lost: 0 });
    expect(activeRuns(other).size).toBe(0);
  });

  it('refuses every write of a run that was paused beyond its lease while another process finished the task', async () => {
    const paused = await engines.start({ config: { leaseMs: 60_000 } });
    const [running, wake, done] = [new Gate(), new Gate(), new Gate<unknown[]>()];
    let runs = 0;
    const agent = engines.agent({
      async run(task) {
        if (++runs > 1) return 'the second run';
        const artifact = task.artifact({ name: 'a' });
        await artifact.append('early');
        running.open();
        await wake.opened;
        expect(task.signal.aborted).toBe(false);
        const calls: Promise<unknown>[] = [task.step('late', () => 'late'), artifact.write('late')];
        const outcomes = await Promise.allSettled(calls);
        done.open([...outcomes, ...(await Promise.allSettled([task.status('late'), task.requestInput('late')]))]);
        return 'the first run';
      },
    });
    // The first process does not learn that it has lost the lease before it writes.
    const { leases } = paused.tasks.store;
    leases.renew = async (_, held) =>
      new Set(held.map(({ tenantId, taskId, token }) => `${tenantId}/${taskId}/${token}`));
    const { id } = await paused.submit(agent, 'go');
    await running.opened;
    await tables.waitFor(async () => expect(await tables.events(id!)).toHaveLength(3));
    await tables.rows(`update perdure.tasks set run_at = now() - interval '1 hour' where id = $1`, [id]);
    await engines.start();
    await tables.until(id!, 'COMPLETED');
    const before = await tables.everything();
    wake.open();
    const outcomes = await done.opened;
    expect(outcomes.slice(2)).toEqual(Array(2).fill(expect.objectContaining({ status: 'rejected' })));
    await tables.waitFor(async () => expect(activeRuns(paused).size).toBe(0));
    expect(await tables.everything()).toBe(before);
    expect(textOf((await paused.get(agent, id!)).status?.message)).toBe('the second run');
    expect(await tables.task(id!)).toMatchObject({ lost: 1, attempt: 0 });
  });

  it('stops a run whose lease cannot be renewed, also when the database does not answer at all', async () => {
    const cutOff = await engines.start({ config: { leaseMs: 500 } });
    cutOff.tasks.store.leases.renew = () => forever();
    const other = await engines.start({ config: { leaseMs: 500 } });
    const aborted = new Gate<unknown>();
    let runs = 0;
    const agent = engines.agent({
      async run(task) {
        if (++runs > 1) return 'the second run';
        task.signal.addEventListener('abort', () => aborted.open(task.signal.reason));
        return forever();
      },
    });
    const { id } = await cutOff.submit(agent, 'go');
    expect(await aborted.opened).toMatchObject({ message: 'the lease has run out' });
    await tables.until(id!, 'COMPLETED');
    expect(textOf((await other.get(agent, id!)).status?.message)).toBe('the second run');
  });

  it('locks rows in the committer’s order when it renews leases', async () => {
    const engine = await engines.start({ runs: false });
    const agent = engines.agent({ run: () => 'Done' });
    const submitted = await Promise.all(Array.from({ length: 5 }, () => engine.submit(agent, 'go')));
    const ids = submitted.map(({ id }) => id!).toSorted();
    await tables.rows(`update perdure.tasks set lease_owner = 'me' where agent = $1`, [agent]);
    const leases = ids.toReversed().map((taskId) => ({ tenantId: 'acme', taskId, token: 0 }));
    const release = await tables.hold(ids[0]!);
    const { store } = engine.tasks;
    const renewed = store.leases.renew(store.db, leases, 5_000);
    await tables.untilBlocked('perdure');
    // It waits for the first row and has none of the others yet.
    const others = await tables.rows('select from perdure.tasks where id = any($1) for update skip locked', [
      ids.slice(1),
    ]);
    expect(others).toHaveLength(4);
    await release();
    expect((await renewed).size).toBe(5);
    await tables.rows('update perdure.tasks set lease_owner = null where agent = $1', [agent]);
  });

  it('hands back a run that appears while it drains: its acceptance was under way', async () => {
    const engine = await engines.start({ config: { drainMs: 100, leaseMs: 60_000 } });
    const agent = engines.agent({ run: () => forever() });
    const { committer } = engine.tasks.store;
    const submit = committer.submit.bind(committer);
    const [accepting, draining] = [new Gate(), new Gate()];
    committer.submit = async (write) => {
      accepting.open();
      await draining.opened;
      await submit(write);
      committer.submit = submit;
    };
    const accepted = engine.submit(agent, 'go');
    await accepting.opened;
    const drained = engine.execution!.drain();
    // Longer than the drain gives to runs under way.
    setTimeout(() => draining.open(), 400);
    const { id } = await accepted;
    await drained;
    expect(await tables.task(id!)).toMatchObject({ lease_owner: null, attempt: 0, lost: 0 });
    const due = 'select from perdure.tasks where id = $1 and run_at <= now()';
    expect(await tables.rows(due, [id])).toHaveLength(1);
  });

  it('leaves the count of failures to the row when it drains', async () => {
    const engine = await engines.start();
    const running = new Gate();
    const agent = engines.agent({
      retry: { attempts: 5, initialDelayMs: 1, maxDelayMs: 1 },
      async run(task) {
        if (task.attempt < 3) throw new Error('not yet');
        running.open();
        await forever();
      },
    });
    const { id } = await engine.submit(agent, 'go');
    await running.opened;
    await engine.execution!.drain();
    expect(await tables.task(id!)).toMatchObject({ lease_owner: null, attempt: 2, lost: 0 });
  });

  it('hands back what it runs though the database is away for a moment while it drains', async () => {
    const proxy = await DatabaseProxy.start(database.url);
    onTestFinished(() => proxy.close());
    const engine = await engines.start({ url: proxy.url, config: { drainMs: 1, leaseMs: 60_000 } });
    const agent = engines.agent({ run: () => forever() });
    const ids = await Promise.all([1, 2, 3].map(async () => (await engine.submit(agent, 'go')).id!));
    proxy.refuse(true);
    const drained = engine.execution!.drain();
    await tables.waitFor(async () => expect(engine.log.map(({ msg }) => msg)).toContain('drain.hand_back_failed'));
    proxy.refuse(false);
    await drained;
    for (const id of ids) expect(await tables.task(id)).toMatchObject({ lease_owner: null, attempt: 0, lost: 0 });
  });
});
