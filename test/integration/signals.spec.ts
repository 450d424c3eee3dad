import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { type ChangedKeys, type Config, createLogger, loadConfig, Signals } from '#platform';
import { DatabaseProxy } from '../support/database-proxy.js';
import { inEachMode, type Mode, modeSettings, overRedis, redisUrl } from '../support/modes.js';
import { useDatabase } from '../support/postgres.js';
import { RedisServer } from '../support/redis-server.js';

const database = useDatabase();
const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
/** How long a signal may take, and a line to come back. */
const WAIT = { timeout: 15_000 };
/** Of the Redis that all specs share: the connections to this one are this file's to cut. */
const OWN_REDIS_DATABASE = 2;
const started: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()));
});

inEachMode((mode) => {
  const { startSignals, listen, say, cutConnections } = linesOf(mode);

  it('tells another process which keys changed', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    here.publish('tasks', 'a');
    here.publish('tasks', 'b');
    here.publish('other', 'c');
    await vi.waitFor(() => expect(heard.calls).toEqual([new Set(['a', 'b'])]), WAIT);
  });

  it('tells its own process at once and only once', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const [own, others] = [record(here, 'tasks'), record(there, 'tasks')];
    here.publish('tasks', 'a');
    await Promise.resolve();
    expect(own.calls).toEqual([new Set(['a'])]);
    await others.next;
    // One connection is told in order: once the answer is here, an echo would have been too.
    const answer = record(here, 'answer');
    there.publish('answer', 'x');
    await answer.next;
    expect(own.calls).toHaveLength(1);
  });

  it('puts a thousand signals into a few messages without losing a key', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const messages = await listen();
    const heard = record(there, 'tasks');
    const keys = Array.from({ length: 1_000 }, (_, index) => `k${index}`);
    for (const key of keys) here.publish('tasks', key);
    await vi.waitFor(() => expect(heard.keys()).toEqual(new Set(keys)), WAIT);
    expect(messages()).toBeLessThan(10);
  });

  it('says "all" where the keys do not fit into one message', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    for (let index = 0; index < 300; index++) here.publish('tasks', `${index}-${'x'.repeat(40)}`);
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']), WAIT);
  });

  it('says "all" where no key is named', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    here.publish('tasks', 'a');
    here.publish('tasks');
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']), WAIT);
  });

  it('comes back after its connection was cut, and says "all" to everybody', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    await cutConnections();
    await vi.waitFor(() => expect(heard.calls).toContain('all'), WAIT);
    await vi.waitFor(() => {
      here.publish('tasks', 'after');
      expect(heard.keys()).toContain('after');
    }, WAIT);
  });

  it('delivers what was published while it was cut off', async () => {
    const here = await startSignals();
    await cutConnections();
    const heard = record(await startSignals(), 'tasks');
    here.publish('tasks', 'meanwhile');
    await vi.waitFor(() => expect(heard.keys()).toContain('meanwhile'), WAIT);
  });

  it('takes a payload that is not its own as a reason to look everywhere', async () => {
    const heard = record(await startSignals(), 'tasks');
    await say('{"topics":');
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']), WAIT);
  });

  it('goes on with the other listeners when one throws', async () => {
    const here = await startSignals();
    here.subscribe('tasks', () => {
      throw new Error('broken listener');
    });
    const heard = record(here, 'tasks');
    here.publish('tasks', 'a');
    await heard.next;
    expect(heard.calls).toEqual([new Set(['a'])]);
  });

  it('stops calling a listener that has unsubscribed', async () => {
    const here = await startSignals();
    const [gone, stays] = [record(here, 'tasks'), record(here, 'tasks')];
    gone.unsubscribe();
    here.publish('tasks', 'a');
    await stays.next;
    expect(gone.calls).toEqual([]);
  });

  it('sends what was published just before it stopped', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    here.publish('tasks', 'last');
    await here.stop();
    await vi.waitFor(() => expect(heard.calls).toEqual([new Set(['last'])]), WAIT);
  });
});

overRedis(() => {
  const there = linesOf('redis');

  it('tells those of another database of the same Redis, and of another prefix, nothing', async () => {
    const settings = modeSettings('redis', database.url);
    const other = Object.assign(new URL(settings.redisUrl!), { pathname: '/1' }).href;
    const strangers = [
      await there.startSignals({ redisUrl: other }),
      await there.startSignals({ redisPrefix: `${settings.redisPrefix}-2` }),
    ].map((signals) => record(signals, 'tasks'));
    const [here, friend] = [await there.startSignals(), await there.startSignals()];
    const heard = record(friend, 'tasks');
    here.publish('tasks', 'a');
    await heard.next;
    expect(strangers.map(({ calls }) => calls)).toEqual([[], []]);
  });

  it('starts without Redis, and says "all" to everybody when it comes', async () => {
    const redis = await startOwnRedis();
    await redis.kill();
    const signals = await there.startSignals({ redisUrl: redis.url });
    const heard = record(signals, 'tasks');
    await redis.restart();
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']), WAIT);
  });

  it('notices a line that has fallen silent, and takes another', async () => {
    const proxy = await DatabaseProxy.start(ownRedisUrl());
    started.push({ stop: () => proxy.close() });
    const heard = record(await there.startSignals({ redisUrl: proxy.url }), 'tasks');
    proxy.silence('');
    const here = await there.startSignals();
    here.publish('tasks', 'a');
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']), WAIT);
    here.publish('tasks', 'b');
    await vi.waitFor(() => expect(heard.keys()).toContain('b'), WAIT);
  });
});

interface Lines {
  readonly startSignals: (settings?: Partial<Config>) => Promise<Signals>;
  /** Counts what is said on the line from now on. */
  readonly listen: () => Promise<() => number>;
  /** Says something on the line as if it were a signal. */
  readonly say: (payload: string) => Promise<void>;
  /** Ends the connections of all signals. */
  readonly cutConnections: () => Promise<void>;
}

function linesOf(mode: Mode): Lines {
  const startSignals = async (settings: Partial<Config> = {}) => {
    const own = mode === 'redis' ? { redisUrl: ownRedisUrl() } : {};
    const config = { ...loadConfig({}), ...modeSettings(mode, database.url), ...own, ...settings };
    const signals = Signals.over(database.url, config, logger);
    await signals.start();
    started.push(signals);
    return signals;
  };
  return { startSignals, ...(mode === 'redis' ? OVER_REDIS : OVER_POSTGRES) };
}

const OVER_POSTGRES: Omit<Lines, 'startSignals'> = {
  async listen() {
    const client = await connect();
    let count = 0;
    client.on('notification', () => count++);
    await client.query('listen perdure_signals');
    return () => count;
  },
  async say(payload) {
    const client = await connect();
    await client.query('select pg_notify($1, $2)', ['perdure_signals', payload]);
  },
  async cutConnections() {
    const client = await connect();
    await client.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where application_name = 'perdure-signals' and datname = current_database()`,
    );
  },
};

const OVER_REDIS: Omit<Lines, 'startSignals'> = {
  async listen() {
    const redis = await connectRedis();
    let count = 0;
    redis.on('message', () => count++);
    await redis.subscribe(channel());
    return () => count;
  },
  async say(payload) {
    const redis = await connectRedis();
    await redis.publish(channel(), payload);
  },
  async cutConnections() {
    const redis = await connectRedis();
    const clients = String(await redis.call('client', 'list', 'type', 'pubsub')).split('\n');
    const own = clients.filter((client) => client.includes(` db=${OWN_REDIS_DATABASE} `));
    for (const client of own) await redis.call('client', 'kill', 'id', /^id=(\d+) /.exec(client)![1]!);
  },
};

function channel(): string {
  return `${modeSettings('redis', database.url).redisPrefix}:${OWN_REDIS_DATABASE}:signals`;
}

function ownRedisUrl(): string {
  return Object.assign(new URL(redisUrl()), { pathname: `/${OWN_REDIS_DATABASE}` }).href;
}

async function connectRedis(): Promise<Redis> {
  const redis = new Redis(redisUrl());
  started.push({ stop: async () => redis.disconnect() });
  return redis;
}

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(database.url);
  await client.connect();
  started.push({ stop: () => client.end() });
  return client;
}

async function startOwnRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  started.push({ stop: () => redis.kill() });
  return redis;
}

function record(signals: Signals, topic: string) {
  const calls: ChangedKeys[] = [];
  let unsubscribe!: () => void;
  const next = new Promise<void>((resolve) => {
    unsubscribe = signals.subscribe(topic, (keys) => {
      calls.push(keys);
      resolve();
    });
  });
  return { calls, next, unsubscribe, keys: () => new Set(calls.flatMap((keys) => (keys === 'all' ? [] : [...keys]))) };
}
