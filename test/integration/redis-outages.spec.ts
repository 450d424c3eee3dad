import { Redis } from 'ioredis';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type RunQueue } from '../../libs/execution/src/run-queue.js';
import { DatabaseProxy } from '../support/database-proxy.js';
import { all, type Engine, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { modeSettings, overRedis, redisUrl } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { RedisServer } from '../support/redis-server.js';
import { useTables } from '../support/task-tables.js';

overRedis(() => {
  const database = useDatabase();
  const tables = useTables(database);
  const engines = useEngines(database, 'redis');

  /** A process that takes calls, and one that runs handlers, `slots` at a time. */
  async function startBoth(url: string, slots = 100): Promise<{ front: Engine; worker: Engine }> {
    const config = { redisUrl: url };
    const front = await engines.start({ config: { ...config, role: 'server' } });
    const worker = await engines.start({ config: { ...config, role: 'worker', workerConcurrency: slots } });
    return { front, worker };
  }

  /** Gives five tasks to a worker whose only slot is taken, and resolves when their jobs wait in Redis. */
  async function fillQueue(front: Engine) {
    const [running, go] = [new Gate(), new Gate()];
    const occupant = engines.agent({ run: () => (running.open(), go.opened) });
    await front.submit(occupant, 'go');
    await running.opened;
    const agent = engines.agent({ run: (task) => `did ${textOf(task.message)}` });
    const tasks = await Promise.all(['1', '2', '3', '4', '5'].map((text) => front.submit(agent, text)));
    await tables.waitFor(async () => expect(await tables.rows('select from perdure.outbox')).toEqual([]));
    return { go, agent, ids: tasks.map(({ id }) => id!) };
  }

  /** Every task has completed, by one run that nobody has taken over. */
  async function expectRunOnce(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await tables.until(id, 'COMPLETED');
      expect(await tables.task(id)).toMatchObject({ lease_token: '1', lost: 0, attempt: 0 });
    }
  }

  it('loses no task when Redis forgets everything while jobs wait there', async () => {
    const { front } = await startBoth(redisUrl(), 1);
    const { go, ids } = await fillQueue(front);
    await forgetEverything(modeSettings('redis', database.url).redisPrefix);
    go.open();
    await expectRunOnce(ids);
  });

  it('loses no task when Redis is killed with the jobs in it, and goes on with the next one', async () => {
    const redis = await startRedis();
    const { front, worker } = await startBoth(redis.url, 1);
    const { go, agent, ids } = await fillQueue(front);
    await redis.kill();
    const later = await front.submit(agent, 'while it was away');
    go.open();
    await expectRunOnce([...ids, later.id!]);
    await redis.restart();
    await untilUp(front, worker);
    const again = await fillQueue(front);
    again.go.open();
    await expectRunOnce(again.ids);
    for (const engine of [front, worker]) expectFewLines(engine);
  });

  it('goes on without Redis, from the start on: calls, streams and cancels, if slower', async () => {
    const redis = await startRedis();
    await redis.kill();
    const { front, worker } = await startBoth(redis.url);
    const [begun, aborted] = [new Gate(), new Gate()];
    const agent = engines.agent({
      async run(task) {
        if (textOf(task.message) === 'hang') {
          task.signal.addEventListener('abort', () => aborted.open());
          begun.open();
          await aborted.opened;
        }
        await task.status('at it');
        return 'Done';
      },
    });
    expect(textOf((await front.send(agent, 'go')).status?.message)).toBe('Done');
    const events = await all(front.stream(agent, 'go'));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(events.at(-1)!.statusUpdate?.status?.state).toBe('TASK_STATE_COMPLETED');
    const { id } = await front.submit(agent, 'hang');
    await begun.opened;
    await front.cancel(agent, id!);
    await aborted.opened;
    await redis.restart();
    await untilUp(front, worker);
    expect(textOf((await front.send(agent, 'go')).status?.message)).toBe('Done');
    for (const engine of [front, worker]) expectFewLines(engine);
  });

  it('goes on when Redis falls silent without closing a connection, and takes others', async () => {
    const proxy = await DatabaseProxy.start(redisUrl());
    onTestFinished(() => proxy.close());
    const { front, worker } = await startBoth(proxy.url, 1);
    await untilUp(front, worker);
    proxy.silence('');
    // Their jobs get into Redis once its silent connections are replaced.
    const { go, ids } = await fillQueue(front);
    go.open();
    await expectRunOnce(ids);
    for (const engine of [front, worker]) {
      expect(engine.log.filter(({ msg }) => msg === 'redis.connection_lost').length).toBeGreaterThan(0);
      expectFewLines(engine);
    }
  });

  it('asks a Redis that refuses what it is asked only now and then, and goes on when it does no more', async () => {
    const redis = await startRedis();
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    const { front, worker } = await startBoth(redis.url, 1);
    await untilUp(front, worker);
    await client.call('ACL', 'SETUSER', 'default', '-evalsha', '-eval');
    await vi.waitFor(() => expect(worker.log.map(({ msg }) => msg)).toContain('queue.worker_error'), {
      timeout: 10_000,
    });
    const asked = await refusals(client);
    const { id } = await front.submit(engines.agent({ run: () => 'Done' }), 'go');
    await tables.until(id!, 'COMPLETED');
    await vi.waitFor(async () => expect(await refusals(client)).toBeGreaterThan(asked), { timeout: 10_000 });
    await client.call('ACL', 'SETUSER', 'default', '+evalsha', '+eval');
    const { go, ids } = await fillQueue(front);
    go.open();
    await expectRunOnce(ids);
    expect(await refusals(client)).toBeLessThan(50);
    expectFewLines(worker);
  });

  it('says once that Redis may evict jobs', async () => {
    const redis = await startRedis();
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const { worker } = await startBoth(redis.url);
    await vi.waitFor(() => expect(worker.log.map(({ msg }) => msg)).toContain('redis.may_evict_jobs'), {
      timeout: 10_000,
    });
    expect(worker.log.filter(({ msg }) => msg === 'redis.may_evict_jobs')).toMatchObject([{ policy: 'allkeys-lru' }]);
  });
});

async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  onTestFinished(() => redis.kill());
  return redis;
}

/** How many commands that Redis has refused. */
async function refusals(client: Redis): Promise<number> {
  const stats = await client.info('commandstats');
  return [...stats.matchAll(/^cmdstat_eval\w*:.*rejected_calls=(\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
}

async function untilUp(...engines: Engine[]): Promise<void> {
  const queues = engines.map(({ execution }) => (execution as unknown as { queue: RunQueue }).queue);
  await vi.waitFor(() => Promise.all(queues.map((queue) => queue.check())), { timeout: 10_000 });
}

/** What FLUSHALL does, to this file's part of the Redis. */
async function forgetEverything(prefix: string): Promise<void> {
  const redis = new Redis(redisUrl());
  const keys = await redis.keys(`${prefix}:*`);
  expect(keys.length).toBeGreaterThan(0);
  await redis.del(keys);
  redis.disconnect();
}

/** An outage is told once by each connection, and not at each attempt. */
function expectFewLines({ log }: Engine): void {
  const warnings = log.filter(({ level }) => level !== 'info' && level !== 'debug');
  expect(warnings.map(({ msg, err }) => `${msg}: ${err?.message}`).slice(10)).toEqual([]);
}
