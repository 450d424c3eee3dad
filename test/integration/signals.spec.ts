import pg from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ChangedKeys, createLogger, Signals } from '#platform';
import { useDatabase } from '../support/postgres.js';

const database = useDatabase();
const logger = createLogger({ logLevel: 'silent', logFormat: 'json' });
const started: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.stop()));
});

describe('Signals', () => {
  it('tells another process which keys changed', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    here.publish('tasks', 'a');
    here.publish('tasks', 'b');
    here.publish('other', 'c');
    await vi.waitFor(() => expect(heard.calls).toEqual([new Set(['a', 'b'])]));
  });

  it('tells its own process at once and only once', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const [own, others] = [record(here, 'tasks'), record(there, 'tasks')];
    here.publish('tasks', 'a');
    await Promise.resolve();
    expect(own.calls).toEqual([new Set(['a'])]);
    await others.next;
    // Postgres sends one connection its notifications in order: once the answer is here, an echo would have been too.
    const answer = record(here, 'answer');
    there.publish('answer', 'x');
    await answer.next;
    expect(own.calls).toHaveLength(1);
  });

  it('puts a thousand signals into a few NOTIFYs without losing a key', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const notifications = await countNotifications();
    const heard = record(there, 'tasks');
    const keys = Array.from({ length: 1_000 }, (_, index) => `k${index}`);
    for (const key of keys) here.publish('tasks', key);
    await vi.waitFor(() => expect(heard.keys()).toEqual(new Set(keys)));
    expect(notifications()).toBeLessThan(10);
  });

  it('says "all" where the keys do not fit into one NOTIFY', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    for (let index = 0; index < 300; index++) here.publish('tasks', `${index}-${'x'.repeat(40)}`);
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']));
  });

  it('says "all" where no key is named', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    here.publish('tasks', 'a');
    here.publish('tasks');
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']));
  });

  it('comes back after its connection was cut, and says "all" to everybody', async () => {
    const [here, there] = [await startSignals(), await startSignals()];
    const heard = record(there, 'tasks');
    await cutConnections();
    await vi.waitFor(() => expect(heard.calls).toContain('all'));
    await vi.waitFor(() => {
      here.publish('tasks', 'after');
      expect(heard.keys()).toContain('after');
    });
  });

  it('delivers what was published while it was cut off', async () => {
    const here = await startSignals();
    await cutConnections();
    const heard = record(await startSignals(), 'tasks');
    here.publish('tasks', 'meanwhile');
    await vi.waitFor(() => expect(heard.keys()).toContain('meanwhile'));
  });

  it('takes a payload that is not its own as a reason to look everywhere', async () => {
    const heard = record(await startSignals(), 'tasks');
    const client = await connect();
    await client.query(`notify perdure_signals, '{"topics":'`);
    await vi.waitFor(() => expect(heard.calls).toEqual(['all']));
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
    await vi.waitFor(() => expect(heard.calls).toEqual([new Set(['last'])]));
  });
});

async function startSignals(): Promise<Signals> {
  const signals = new Signals(database.url, logger);
  await signals.start();
  started.push(signals);
  return signals;
}

async function connect(): Promise<pg.Client> {
  const client = new pg.Client(database.url);
  await client.connect();
  started.push({ stop: () => client.end() });
  return client;
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

async function countNotifications(): Promise<() => number> {
  const client = await connect();
  let count = 0;
  client.on('notification', () => count++);
  await client.query('listen perdure_signals');
  return () => count;
}

async function cutConnections(): Promise<void> {
  const client = await connect();
  await client.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
     where application_name = 'perdure-signals' and datname = current_database()`,
  );
}
