import { describe, expect, it } from 'vitest';
import { PRIORITY_EXTENSION, SCHEDULING_EXTENSION } from '#agents';
import { type DueLanes } from '../../libs/execution/src/due-lanes.js';
import { type OutboxRelay } from '../../libs/execution/src/outbox-relay.js';
import { type Reaper } from '../../libs/execution/src/reaper.js';
import { type RunQueue } from '../../libs/execution/src/run-queue.js';
import { type WorkerPool } from '../../libs/execution/src/worker-pool.js';
import { type Engine, type SendOptions, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { asleep, hasten } from '../support/hasten.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

function partsOf({ execution }: Engine) {
  return execution as unknown as { reaper: Reaper; relay: OutboxRelay; queue: RunQueue; pool: WorkerPool };
}

/** Takes the process' only slot until the gate is opened; resolves when it is taken. */
async function occupy(engine: Engine): Promise<Gate> {
  const [running, go] = [new Gate(), new Gate()];
  const occupant = engines.agent({
    run() {
      running.open();
      return go.opened;
    },
  });
  await engine.submit(occupant, 'go');
  await running.opened;
  return go;
}

/** An agent that notes the texts of the messages it is run with. */
function noting(seen: string[], fields: { concurrency?: number } = {}) {
  return engines.agent({ ...fields, run: (task) => void seen.push(textOf(task.message)) });
}

function of(tenant: string, options: SendOptions = {}): SendOptions {
  return { ...options, caller: { tenant } };
}

function withPriority(priority: unknown): SendOptions {
  return { metadata: { [PRIORITY_EXTENSION.uri]: priority as string } };
}

async function submitMany(
  engine: Engine,
  agent: string,
  texts: readonly string[],
  options: SendOptions,
): Promise<void> {
  await Promise.all(texts.map((text) => engine.submit(agent, text, options)));
}

/** How many tasks have not begun. */
async function waiting(): Promise<number> {
  const [row] = await tables.rows<{ n: number }>(
    'select count(*)::int4 as n from perdure.tasks where state = 1 and run_at <= now()',
  );
  return row!.n;
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);

describe('slots that several tenants wait for', () => {
  it('go to them in turns, however many tasks one of them has queued before', async () => {
    const front = await engines.start({ runs: false });
    const seen: string[] = [];
    const agent = noting(seen);
    await submitMany(front, agent, numbered('heavy', 260), of('heavy'));
    await submitMany(front, agent, numbered('light', 3), of('light'));
    await submitMany(front, agent, numbered('other', 3), of('other'));
    await engines.start({ config: { workerConcurrency: 10 } });
    await tables.waitFor(async () => expect(seen).toHaveLength(266));
    // Each of the three has every third turn, as long as it has tasks.
    for (const name of ['light', 'other']) {
      const places = seen.flatMap((text, i) => (text.startsWith(name) ? [i] : []));
      expect(places[2]).toBeLessThan(100);
    }
  });

  it('go to them in turns when some of the jobs have come over the queue', async () => {
    const server = await engines.start({ config: { role: 'server' } });
    const engine = await engines.start({ config: { workerConcurrency: 4 } });
    const gos = await Promise.all([occupy(engine), occupy(engine), occupy(engine), occupy(engine)]);
    const seen: string[] = [];
    const agent = noting(seen);
    await submitMany(server, agent, numbered('heavy', 120), of('heavy'));
    await tables.waitFor(async () => expect(await partsOf(server).queue.waiting()).toBeGreaterThan(50));
    await submitMany(server, agent, numbered('light', 3), of('light'));
    for (const go of gos) go.open();
    await tables.waitFor(async () => expect(seen).toHaveLength(123));
    expect(seen.findLastIndex((text) => text.startsWith('light'))).toBeLessThan(60);
  });

  it('are not taken by a newcomer of a tenant whose tasks wait already', async () => {
    const front = await engines.start({ runs: false });
    const engine = await engines.start({ config: { workerConcurrency: 1 } });
    const go = await occupy(engine);
    const seen: string[] = [];
    const agent = noting(seen);
    await submitMany(front, agent, numbered('early', 5), {});
    await tables.waitFor(async () => expect(await waiting()).toBe(5));
    const late = engine.send(agent, 'late');
    await tables.waitFor(async () => expect(await waiting()).toBe(6));
    go.open();
    await late;
    expect(seen).toHaveLength(6);
    expect(seen.at(-1)).toBe('late');
  });

  it('are held by no more runs of one tenant than it may have, and others pass', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 10, tenantConcurrency: 2 } });
    const go = new Gate();
    let [atOnce, most] = [0, 0];
    const agent = engines.agent({
      async run() {
        most = Math.max(most, ++atOnce);
        await go.opened;
        atOnce--;
      },
    });
    const other = engines.agent({ run: () => 'Done' });
    const tasks = await Promise.all(numbered('wide', 6).map((text) => engine.submit(agent, text, of('wide'))));
    await engine.send(other, 'go', of('narrow'));
    expect(atOnce).toBe(2);
    go.open();
    await Promise.all(tasks.map(({ id }) => tables.until(id!, 'COMPLETED')));
    expect(most).toBe(2);
  });

  it('are not kept from anybody by jobs whose agent is at its limit or unknown here, and nothing spins for those', async () => {
    const front = await engines.start({ runs: false });
    const [running, go] = [new Gate(), new Gate()];
    const narrow = engines.agent({
      concurrency: 1,
      run() {
        running.open();
        return go.opened;
      },
    });
    const gone = engines.agent({ run: () => 'Done' });
    const wanted = engines.agent({ run: () => 'Done' });
    await submitMany(front, narrow, numbered('narrow', 300), of('acme'));
    await submitMany(front, gone, numbered('gone', 300), of('acme'));
    await tables.rows(`update perdure.tasks set agent = 'removed' where agent = $1`, [gone]);
    await tables.rows(`update perdure.task_counts set agent = 'removed' where agent = $1`, [gone]);
    await tables.rows(`update perdure.outbox set agent = 'removed' where agent = $1`, [gone]);
    const engine = await engines.start({ config: { workerConcurrency: 5 } });
    await running.opened;
    const { outbox } = engine.tasks.store;
    let looks = 0;
    const earliestLanes = outbox.earliestLanes.bind(outbox);
    outbox.earliestLanes = (...args) => {
      looks++;
      return earliestLanes(...args);
    };
    // Of the same tenant, over the outbox and past it.
    const { id } = await front.submit(wanted, 'go', of('acme'));
    await tables.until(id!, 'COMPLETED');
    await engine.send(wanted, 'go', of('acme'));
    looks = 0;
    await tables.waitFor(async () => expect(looks).toBeGreaterThan(1), 200);
    expect(looks).toBeLessThan(20);
    await tables.rows(`update perdure.tasks set run_at = null where agent in ('removed', $1) and lease_owner is null`, [
      narrow,
    ]);
    await tables.rows(`delete from perdure.outbox`);
    go.open();
    await tables.waitFor(async () => expect(partsOf(engine).pool.free).toBe(5));
  });

  it('go to the task of a tenant that has the highest priority, and among equals to the first', async () => {
    const front = await engines.start({ runs: false });
    const seen: string[] = [];
    const agent = noting(seen);
    for (const [text, priority] of [
      ['low', 'low'],
      ['normal', 'normal'],
      ['unsaid', undefined],
      ['high', 'high'],
      ['high too', 'high'],
    ] as const) {
      await front.submit(agent, text, priority && withPriority(priority));
    }
    await engines.start({ config: { workerConcurrency: 1 } });
    await tables.waitFor(async () => expect(seen).toHaveLength(5));
    expect(seen).toEqual(['high', 'high too', 'normal', 'unsaid', 'low']);
  });

  it('keep to priorities after a pause of the task', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 1 } });
    const seen: string[] = [];
    const agent = engines.agent({
      async run(task) {
        const text = textOf(task.message);
        await task.sleep('1h');
        seen.push(text);
      },
    });
    const tasks = [
      await engine.submit(agent, 'low', withPriority('low')),
      await engine.submit(agent, 'normal'),
      await engine.submit(agent, 'high', withPriority('high')),
    ];
    for (const { id } of tasks) await asleep(tables, id!);
    const go = await occupy(engine);
    for (const { id } of tasks) await hasten(tables, id!);
    const { lanes } = partsOf(engine).relay as unknown as { lanes: DueLanes };
    await tables.waitFor(async () => expect(lanes.count('acme')).toBe(3));
    go.open();
    await tables.waitFor(async () => expect(seen).toHaveLength(3));
    expect(seen).toEqual(['high', 'normal', 'low']);
  });
});

describe('the priority of a task', () => {
  it.each([
    ['urgent', 'must be low, normal or high'],
    [{ level: 'high' }, 'must be low, normal or high'],
    [null, 'must be low, normal or high'],
  ])('cannot be %j', async (given, description) => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    await expect(engine.send(agent, 'go', withPriority(given))).rejects.toMatchObject({
      reason: 'INVALID_PARAMS',
      violations: [{ field: `metadata["${PRIORITY_EXTENSION.uri}"]`, description }],
    });
  });

  it('is not for a message to a task that is there', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: async (task) => textOf(await task.requestInput('Who?')) });
    const { id } = await engine.send(agent, 'hi');
    const message = { taskId: id, parts: [{ text: 'Ada' }] };
    await expect(engine.send(agent, message, withPriority('high'))).rejects.toMatchObject({
      reason: 'INVALID_PARAMS',
      violations: [{ description: 'is for a new task: this message goes to an existing one' }],
    });
    await engine.send(agent, message);
  });
});

describe('more callers than slots', () => {
  it('have their tasks begin without the outbox where slots come back quickly', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 4 } });
    const agent = engines.agent({ run: () => 'Done' });
    const { outbox } = engine.tasks.store;
    let taken = 0;
    const take = outbox.take.bind(outbox);
    outbox.take = async (...args) => {
      const jobs = await take(...args);
      taken += jobs.length;
      return jobs;
    };
    // A machine that stands still for a moment gives no slot back quickly: then it is tried again.
    await tables.waitFor(async () => {
      // The pace is known from the first ones.
      await Promise.all(numbered('warm', 12).map((text) => engine.send(agent, text)));
      taken = 0;
      const tasks = await Promise.all(numbered('send', 24).map((text) => engine.send(agent, text)));
      expect(tasks.map(({ status }) => status?.state)).toEqual(tasks.map(() => 'TASK_STATE_COMPLETED'));
      expect(taken).toBeLessThan(12);
    });
  });
});

describe('the backlog of a tenant', () => {
  const exhausted = { reason: 'RESOURCE_EXHAUSTED', retryAfterMs: expect.any(Number) as number };

  it('is bounded for new tasks that would wait, and what was accepted is done', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 1, maxBacklog: 3 } });
    const agent = engines.agent({ run: () => 'Done' });
    const go = await occupy(engine);
    const sent = await Promise.allSettled(numbered('full', 8).map((text) => engine.submit(agent, text, of('full'))));
    const accepted = sent.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const refused = sent.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    expect(accepted).toHaveLength(3);
    for (const error of refused) expect(error).toMatchObject(exhausted);
    // A scheduled task waits too; another tenant has a backlog of its own.
    const later = { metadata: { [SCHEDULING_EXTENSION.uri]: { startAt: '1h' } } };
    await expect(engine.submit(agent, 'later', of('full', later))).rejects.toMatchObject(exhausted);
    const other = await engine.submit(agent, 'go', of('other'));
    go.open();
    for (const { id } of [...accepted, other]) await tables.until(id!, 'COMPLETED');
    await tables.waitFor(async () => engine.send(agent, 'again', of('full')));
  });

  it('holds up no task that is there: follow-ups, timers and attempts go on', async () => {
    const engine = await engines.start({ config: { workerConcurrency: 1, maxBacklog: 1 } });
    const agent = engines.agent({
      retry: { attempts: 2, initialDelayMs: 1, maxDelayMs: 1 },
      async run(task) {
        const text = textOf(task.message);
        if (text === 'ask') return textOf(await task.requestInput('?'));
        await task.sleep('1h');
        if (task.attempt === 1) throw new Error('again');
        return 'Done';
      },
    });
    const asked = await engine.send(agent, 'ask', of('bounded'));
    const sleeper = await engine.submit(agent, 'sleep', of('bounded'));
    await asleep(tables, sleeper.id!);
    const go = await occupy(engine);
    const waiting = await engine.submit(agent, 'sleep', of('bounded'));
    await expect(engine.submit(agent, 'sleep', of('bounded'))).rejects.toMatchObject(exhausted);
    const answer = engine.send(agent, { taskId: asked.id, parts: [{ text: 'Ada' }] }, of('bounded'));
    await hasten(tables, sleeper.id!);
    go.open();
    expect(textOf((await answer).status?.message)).toBe('Ada');
    await tables.until(sleeper.id!, 'COMPLETED');
    await asleep(tables, waiting.id!);
    await hasten(tables, waiting.id!);
    await tables.until(waiting.id!, 'COMPLETED');
  });
});

describe('jobs that were lost', () => {
  it('are made anew all at once, and take their turns', async () => {
    const front = await engines.start({ runs: false });
    const seen: string[] = [];
    const agent = noting(seen);
    await submitMany(front, agent, numbered('heavy', 1_100), of('heavy'));
    await submitMany(front, agent, numbered('light', 5), of('light'));
    await tables.rows('delete from perdure.outbox');
    await tables.rows(`update perdure.tasks set run_at = now() - interval '1 minute' where run_at <= now()`);
    const engine = await engines.start({ config: { workerConcurrency: 50 } });
    await tables.waitFor(async () => expect(seen.filter((text) => text.startsWith('light'))).toHaveLength(5));
    expect(seen.findLastIndex((text) => text.startsWith('light'))).toBeLessThan(400);
    await tables.waitFor(async () => expect(await waiting()).toBe(0));
    await tables.waitFor(async () => expect(new Set(seen).size).toBe(1_105));
    expect(seen).toHaveLength(1_105);
    expect(engine.log.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('are those of the version before too: they say less, and are run all the same', async () => {
    const engine = await engines.start({ runs: false });
    const agent = engines.agent({ run: () => 'Done' });
    const { id } = await engine.submit(agent, 'go');
    await tables.rows('delete from perdure.outbox');
    await tables.rows(
      `insert into perdure.outbox (tenant_id, task_id, run_at) values ('acme', $1, now()), ('acme', gen_random_uuid(), now())`,
      [id],
    );
    const worker = await engines.start();
    await partsOf(worker).reaper.stop();
    await tables.until(id!, 'COMPLETED');
    await tables.waitFor(async () => expect(await tables.rows('select from perdure.outbox')).toEqual([]));
  });
});
