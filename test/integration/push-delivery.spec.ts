import { describe, expect, it } from 'vitest';
import { type Config, type JobQueue, loadConfig } from '#platform';
import { type PushLease } from '#store';
import { type Engine, type EngineOptions, useEngines } from '../support/engine.js';
import { inEachMode } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';
import { useReceivers, type WebhookReceiver } from '../support/webhook-receiver.js';
import { Webhooks } from '../support/webhooks.js';

const database = useDatabase();
const tables = useTables(database);
const receiver = useReceivers();

const SETTINGS: Partial<Config> = {
  pushAllow: loadConfig({ PERDURE_PUSH_ALLOW: '127.0.0.1' }).pushAllow,
  pushRetryMs: [0, 20, 20],
  pushTimeoutMs: 5_000,
};

/** A delivery as it is stored. */
interface StoredDelivery {
  readonly sequence: number;
  readonly state: number;
  readonly attempts: number;
  readonly failures: number;
  readonly pause_ms: number | null;
}

function deliveriesOf(task: string): Promise<StoredDelivery[]> {
  return tables.rows<StoredDelivery>(
    `select sequence, state, attempts, failures, extract(epoch from next_at - now())::float8 * 1000 as pause_ms
     from perdure.push_deliveries where task_id = $1 order by sequence`,
    [task],
  );
}

/** The ids of all deliveries of a task's only webhook, in order. */
async function idsOf(task: string): Promise<string[]> {
  const rows = await tables.rows<{ id: string }>(
    `select c.uid || '_' || e.sequence as id from perdure.push_configs c join perdure.task_events e using (tenant_id, task_id)
     where c.task_id = $1 order by e.sequence`,
    [task],
  );
  return rows.map(({ id }) => id);
}

/** Resolves when nothing waits for the task's webhook any more. */
async function untilIdle(task: string): Promise<void> {
  const open = 'select from perdure.push_deliveries where task_id = $1 and state < 2';
  await tables.waitFor(async () => expect(await tables.rows(open, [task])).toHaveLength(0));
}

/** All that waits for a time waits no longer. */
async function letTimePass(): Promise<void> {
  await tables.rows('update perdure.push_lanes set due_at = now() where due_at is not null');
}

inEachMode((mode) => {
  const engines = useEngines(database, mode);
  const echo = engines.agent({ run: () => 'Done' });

  function start({ config, ...options }: EngineOptions = {}): Promise<Engine> {
    return engines.start({ push: true, ...options, config: { ...SETTINGS, ...config } });
  }

  /** A finished task whose events go to the receiver. */
  async function told(engine: Engine, hook: WebhookReceiver, path = '/'): Promise<string> {
    const { id = '' } = await engine.send(echo, 'x', { taskPushNotificationConfig: { url: hook.url(path) } });
    return id;
  }

  function queueOf({ push }: Engine): JobQueue<{ readonly lanes: readonly PushLease[] }> {
    return (push as unknown as { queue: JobQueue<{ readonly lanes: readonly PushLease[] }> }).queue;
  }

  describe('a webhook', () => {
    it('is told of every event in order, the first one included, each under an id of its own', async () => {
      const engine = await start();
      const hook = await receiver();
      const task = await told(engine, hook);
      await untilIdle(task);
      expect(hook.received.map(({ event }) => event)).toEqual(await tables.events(task));
      expect(hook.ids()).toEqual(await idsOf(task));
    });

    it('gets an event that it did not take again under the same id, and nothing that follows before', async () => {
      const engine = await start();
      const hook = await receiver();
      hook.answer = (_, nth) => (nth === 1 ? 500 : nth === 2 ? 'close' : 204);
      const task = await told(engine, hook);
      await untilIdle(task);
      const [first, ...others] = await idsOf(task);
      expect(hook.ids()).toEqual([first, first, first, ...others]);
      expect(new Set(hook.received.slice(0, 3).map(({ body }) => body)).size).toBe(1);
      const log =
        'select attempt, status, error from perdure.push_attempts where task_id = $1 and sequence = 1 order by 1';
      expect(await tables.rows(log, [task])).toEqual([
        { attempt: 1, status: 500, error: null },
        { attempt: 2, status: null, error: 'closed' },
        { attempt: 3, status: 204, error: null },
      ]);
    });

    it('goes on with the next event when the schedule of one is used up', async () => {
      const engine = await start();
      const hook = await receiver();
      const task = engine.send(echo, 'x', { taskPushNotificationConfig: { url: hook.url() } });
      hook.answer = ({ id }) => (id.endsWith('_1') ? 500 : 200);
      const { id = '' } = await task;
      await untilIdle(id);
      const [first, ...others] = await idsOf(id);
      expect(hook.ids()).toEqual([first, first, first, ...others]);
      expect((await deliveriesOf(id)).map(({ state }) => state)).toEqual([3, ...others.map(() => 2)]);
      expect(engine.log).toContainEqual(
        expect.objectContaining({ msg: 'push.dead', taskId: id, sequence: 1, status: 500 }),
      );
    });

    it('is told of events that come while it is being told of others', async () => {
      const engine = await start();
      const hook = await receiver();
      const agent = engines.agent({
        run: async (task) => {
          await task.status('on my way');
          await tables.waitFor(async () => expect(hook.received.length).toBeGreaterThan(0));
          return 'Done';
        },
      });
      // The first answer comes when all events are there: what has come since then is read before the lane is given back.
      hook.answer = async ({ event }) => {
        await tables.until((event.task?.id ?? event.statusUpdate?.taskId)!, 'COMPLETED');
        return 200;
      };
      const { id = '' } = await engine.send(agent, 'x', { taskPushNotificationConfig: { url: hook.url() } });
      await untilIdle(id);
      expect(hook.ids()).toEqual(await idsOf(id));
    });

    it('is told of all events, also of those that come behind a large one', async () => {
      const engine = await start();
      const hook = await receiver();
      const { id = '' } = await engine.send(echo, 'x'.repeat(300_000), {
        taskPushNotificationConfig: { url: hook.url() },
      });
      await untilIdle(id);
      expect(hook.ids()).toEqual(await idsOf(id));
    });

    it('that gets other settings is told under them from the next attempt on', async () => {
      const engine = await start();
      const hook = await receiver();
      hook.answer = async ({ path, event }) => {
        const id = (event.task?.id ?? event.statusUpdate?.taskId)!;
        if (path !== '/old') return 200;
        // All events are there: those that were read with this one are not sent under the settings of then.
        await tables.until(id, 'COMPLETED');
        await new Webhooks(engine).create({ agent: echo, id }, { id, url: hook.url('/new') });
        return 200;
      };
      const task = await told(engine, hook, '/old');
      await untilIdle(task);
      const [first, ...others] = await idsOf(task);
      expect(hook.ids('/old')).toEqual([first]);
      expect(hook.ids('/new')).toEqual(others);
    });

    it('that this process cannot decrypt waits for one that can, and counts as not tried', async () => {
      const stranger = await start({ config: { secretKeys: [new Uint8Array(32).fill(9)], role: 'worker' } });
      const accepting = await start({ push: false });
      const hook = await receiver();
      const task = await told(accepting, hook);
      const put = `select from perdure.push_lanes where task_id = $1 and stage = 0 and due_at > now() + interval '30 s'`;
      await tables.waitFor(async () => expect(await tables.rows(put, [task])).toHaveLength(1));
      expect(stranger.log.map(({ msg }) => msg)).toContain('push.secrets_unreadable');
      await stranger.stop();
      await start();
      await letTimePass();
      await untilIdle(task);
      expect(hook.ids()).toEqual(await idsOf(task));
    });

    it('is left alone for as long as it asks for with 429 and Retry-After, within the bound', async () => {
      const engine = await start({ config: { pushRetryAfterMs: 40_000 } });
      const hook = await receiver();
      hook.answer = () => ({ status: 429, headers: { 'retry-after': '3600' } });
      const task = await told(engine, hook);
      await tables.waitFor(async () => expect((await deliveriesOf(task))[0]).toMatchObject({ failures: 1 }));
      const [head] = await deliveriesOf(task);
      expect(head!.pause_ms).toBeGreaterThan(30_000);
      expect(head!.pause_ms).toBeLessThanOrEqual(40_000);
      const paused = `select from perdure.push_endpoints where endpoint = $1 and open_until > now() + interval '30 s'`;
      await tables.waitFor(async () => expect(await tables.rows(paused, [hook.url('')])).toHaveLength(1));
    });

    it('that answers 410 is disabled: it is sent nothing more, and what comes for it is kept', async () => {
      const engine = await start();
      const hook = await receiver();
      hook.answer = () => 410;
      const task = await told(engine, hook);
      const disabled = 'select disabled_reason from perdure.push_configs where task_id = $1';
      await tables.waitFor(async () =>
        expect(await tables.rows(disabled, [task])).toEqual([{ disabled_reason: 'gone' }]),
      );
      const idle = 'select from perdure.push_lanes where task_id = $1 and stage = 0 and due_at is null and is_paused';
      await tables.waitFor(async () => expect(await tables.rows(idle, [task])).toHaveLength(1));
      expect(hook.received).toHaveLength(1);
      expect((await deliveriesOf(task)).every(({ state }) => state < 2)).toBe(true);
      expect(engine.log.map(({ msg }) => msg)).toContain('push.config_disabled');
    });

    it('with a filter is told of what the filter lets pass, and of nothing else', async () => {
      const engine = await start();
      const hook = await receiver();
      const { id = '' } = await engine.send(echo, 'x', {
        caller: { pushFilter: { states: ['completed'] } },
        taskPushNotificationConfig: { url: hook.url() },
      });
      await untilIdle(id);
      const states = hook.received.map(({ event }) => (event.task ?? event.statusUpdate)?.status?.state);
      expect(states.filter((state) => state !== undefined)).toEqual(['TASK_STATE_COMPLETED']);
      expect((await deliveriesOf(id)).find(({ state }) => state === 4)).toMatchObject({ attempts: 0 });
    });

    it('is sent nothing any more once its deletion is answered, also where an attempt was under way', async () => {
      const engine = await start();
      const hook = await receiver();
      hook.answer = ({ path }) => (path === '/deleted' ? 'hang' : 200);
      const task = await told(engine, hook, '/deleted');
      await tables.waitFor(async () => expect(hook.received).toHaveLength(1));
      await new Webhooks(engine).delete({ agent: echo, id: task }, task);
      expect(await tables.rows('select from perdure.push_lanes where task_id = $1', [task])).toEqual([]);
      await letTimePass();
      await untilIdle(await told(engine, hook, '/other'));
      expect(hook.ids('/deleted')).toHaveLength(1);
    });
  });

  describe('whatever is lost on the way', () => {
    it('costs time only: jobs that the queue has forgotten', async () => {
      const engine = await start();
      const hook = await receiver();
      const queue = queueOf(engine);
      const add = queue.add.bind(queue);
      queue.add = () => Promise.resolve();
      const task = await told(engine, hook);
      const handed = 'select from perdure.push_lanes where task_id = $1 and stage = 1';
      await tables.waitFor(async () => expect(await tables.rows(handed, [task])).toHaveLength(1));
      queue.add = add;
      await letTimePass();
      await untilIdle(task);
      expect(hook.ids()).toEqual(await idsOf(task));
    });

    it('costs time only: jobs that the queue does not take', async () => {
      const engine = await start();
      const hook = await receiver();
      const queue = queueOf(engine);
      const add = queue.add.bind(queue);
      queue.add = () => {
        queue.add = add;
        return Promise.reject(new Error('the queue is full'));
      };
      const task = await told(engine, hook);
      await untilIdle(task);
      expect(hook.ids()).toEqual(await idsOf(task));
    });

    it('is sent again under its id: an event whose worker died while it was being sent', async () => {
      const dying = await start({ mayCrash: true });
      const hook = await receiver();
      hook.answer = (_, nth) => (nth === 1 ? 'hang' : 200);
      const task = await told(dying, hook);
      await tables.waitFor(async () => expect(hook.received).toHaveLength(1));
      await dying.crash();
      await letTimePass();
      await start();
      await untilIdle(task);
      const [first, ...others] = await idsOf(task);
      expect(hook.ids()).toEqual([first, first, ...others]);
    });

    it('is given to others at once, and counts as no attempt: an event whose worker is stopped while it is being sent', async () => {
      const leaving = await start();
      const hook = await receiver();
      hook.answer = (_, nth) => (nth === 1 ? 'hang' : 200);
      const task = await told(leaving, hook);
      await tables.waitFor(async () => expect(hook.received).toHaveLength(1));
      await leaving.stop();
      await start();
      await untilIdle(task);
      const [first, ...others] = await idsOf(task);
      expect(hook.ids()).toEqual([first, first, ...others]);
      expect((await deliveriesOf(task))[0]).toMatchObject({ attempts: 1, failures: 0 });
    });

    it('is found by others: what a process has committed that delivers nothing itself', async () => {
      const accepting = await start({ push: false });
      const hook = await receiver();
      const task = await told(accepting, hook);
      await start({ config: { role: 'server' }, runs: false });
      const handed = 'select from perdure.push_lanes where task_id = $1 and stage = 1';
      await tables.waitFor(async () => expect(await tables.rows(handed, [task])).toHaveLength(1));
      expect(hook.received).toEqual([]);
      await start({ config: { role: 'worker' } });
      await untilIdle(task);
      expect(hook.ids()).toEqual(await idsOf(task));
    });
  });

  describe('the lane of a disabled webhook', () => {
    it('comes to rest, also where its worker has died', async () => {
      const engine = await start();
      const hook = await receiver();
      const task = await told(engine, hook);
      await untilIdle(task);
      await tables.rows(
        `update perdure.push_lanes set is_paused = true, stage = 2, due_at = now() - interval '1 s' where task_id = $1`,
        [task],
      );
      const idle = 'select from perdure.push_lanes where task_id = $1 and stage = 0 and due_at is null';
      await tables.waitFor(async () => expect(await tables.rows(idle, [task])).toHaveLength(1));
    });
  });

  describe('an endpoint', () => {
    it('is not asked more often than its rate allows', async () => {
      const engine = await start({ config: { pushRate: 1_000 } });
      const hook = await receiver();
      await tables.rows(
        `insert into perdure.push_endpoints (tenant_id, endpoint, allowed_at) values ('acme', $1, now() + interval '1 h')`,
        [hook.url('')],
      );
      const task = await told(engine, hook);
      const put = `select from perdure.push_lanes where task_id = $1 and stage = 0 and due_at > now() + interval '50 min'`;
      await tables.waitFor(async () => expect(await tables.rows(put, [task])).toHaveLength(1));
      expect(hook.received).toEqual([]);
      await tables.rows('update perdure.push_endpoints set allowed_at = null where endpoint = $1', [hook.url('')]);
      await letTimePass();
      await untilIdle(task);
      expect(hook.ids()).toEqual(await idsOf(task));
    });

    it('that keeps failing is asked with one attempt at a time, until one succeeds', async () => {
      const engine = await start();
      const hook = await receiver();
      await tables.rows(
        `insert into perdure.push_endpoints (tenant_id, endpoint, failures, failing_since) values ('acme', $1, 20, now())`,
        [hook.url('')],
      );
      const waiting = `select from perdure.push_lanes where endpoint = $1 and due_at <= now()`;
      hook.answer = async (_, nth) => {
        if (nth > 1) return 200;
        await tables.waitFor(async () => expect(await tables.rows(waiting, [hook.url('')])).toHaveLength(4));
        return hook.received.length === 1 ? 200 : 500;
      };
      const tasks = await Promise.all(Array.from({ length: 5 }, () => told(engine, hook)));
      for (const task of tasks) await untilIdle(task);
      expect(engine.log.map(({ msg }) => msg)).toContain('push.breaker_closed');
      const failed = 'select from perdure.push_attempts where task_id = any($1) and status = 500';
      expect(await tables.rows(failed, [tasks])).toEqual([]);
    });

    it('that fails too often in a row is left alone, and says so to operators', async () => {
      const engine = await start({ config: { pushBreaker: 2, pushRetryMs: [0, 10, 10, 10, 10] } });
      const hook = await receiver();
      hook.answer = (_, nth) => (nth < 4 ? 503 : 200);
      const task = await told(engine, hook);
      await untilIdle(task);
      const events = engine.log.map(({ msg }) => msg);
      expect(events.indexOf('push.breaker_opened')).toBeGreaterThan(-1);
      expect(events.indexOf('push.breaker_closed')).toBeGreaterThan(events.indexOf('push.breaker_opened'));
    });

    it('that has failed for days is disabled, until a new webhook or an operator gives it another try', async () => {
      const engine = await start();
      const hook = await receiver();
      hook.answer = () => 500;
      await tables.rows(
        `insert into perdure.push_endpoints (tenant_id, endpoint, failures, failing_since)
         values ('acme', $1, 20, now() - interval '6 days')`,
        [hook.url('')],
      );
      const task = await told(engine, hook);
      const disabled = 'select from perdure.push_endpoints where endpoint = $1 and disabled_at is not null';
      await tables.waitFor(async () => expect(await tables.rows(disabled, [hook.url('')])).toHaveLength(1));
      expect(engine.log.map(({ msg }) => msg)).toContain('push.endpoint_disabled');
      await letTimePass();
      hook.answer = () => 200;
      const other = await told(engine, hook);
      await untilIdle(task);
      await untilIdle(other);
    });
  });
});

describe('what is kept for operators', () => {
  const engines = useEngines(database);
  const echo = engines.agent({ run: () => 'Done' });

  it('is forgotten after its time, but for what waits or is to be sent again', async () => {
    const engine = await engines.start({ push: true, config: SETTINGS });
    const hook = await receiver();
    const { id = '' } = await engine.send(echo, 'x', { taskPushNotificationConfig: { url: hook.url() } });
    await untilIdle(id);
    await tables.rows(
      `update perdure.push_deliveries set next_at = now() + interval '1 h' where task_id = $1 and sequence = 1`,
      [id],
    );
    await tables.rows(
      'update perdure.push_deliveries set state = 1, settled_at = null where task_id = $1 and sequence = 3',
      [id],
    );
    const { pushDeliveries, db } = engine.tasks.store;
    await pushDeliveries.purge(db, 3_600_000, 1_000);
    expect(await deliveriesOf(id)).toHaveLength((await idsOf(id)).length);
    await pushDeliveries.purge(db, 0, 1_000);
    expect((await deliveriesOf(id)).map(({ sequence }) => sequence)).toEqual([1, 3]);
    expect(await tables.rows('select from perdure.push_attempts where task_id = $1', [id])).toEqual([]);
  });
});
