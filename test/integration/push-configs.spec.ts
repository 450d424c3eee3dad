import { beforeEach, describe, expect, it } from 'vitest';
import { A2AError, type TaskPushNotificationConfigJson } from '#protocol';
import { PUSH_ABORT_SIGNALS } from '#tasks';
import { type Caller, type Engine, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';
import { type OwnTask, Webhooks } from '../support/webhooks.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const echo = engines.agent({ run: () => 'Done' });

const URL_A = 'https://hooks.example/a';
const URL_B = 'https://other.example:8443/b';

const UNFIT: readonly [TaskPushNotificationConfigJson, string, RegExp][] = [
  [{ url: '' }, 'url', /^is required/],
  [{ url: 'ftp://hooks.example/' }, 'url', /https/],
  [{ url: 'http://169.254.169.254/latest' }, 'url', /169\.254\.169\.254/],
  [{ url: 'http://127.0.0.1:8080/' }, 'url', /loopback/],
  [{ url: 'https://user:pass@hooks.example/' }, 'url', /user/],
  [{ url: `https://hooks.example/${'x'.repeat(2_048)}` }, 'url', /2070 characters; the limit is 2048/],
  [{ id: 'x'.repeat(256), url: URL_A }, 'id', /255/],
  [{ id: 'a\nb', url: URL_A }, 'id', /control characters/],
  [{ url: URL_A, token: 'a\r\nX-Evil: 1' }, 'token', /line ends/],
  [{ url: URL_A, token: 'x'.repeat(4_097) }, 'token', /limit is 4096/],
  [{ url: URL_A, token: '☂' }, 'token', /Latin-1/],
  [{ url: URL_A, authentication: { scheme: 'Bearer', credentials: 'a\nb' } }, 'authentication.credentials', /line/],
  [{ url: URL_A, authentication: { scheme: 'Bea rer', credentials: 'x' } }, 'authentication.scheme', /scheme/],
  [{ url: URL_A, authentication: { scheme: 'Basic' } }, 'authentication.credentials', /is required/],
];

let engine: Engine;
let webhooks: Webhooks;

beforeEach(async () => {
  engine = await engines.start({ config: { maxPushConfigs: 5 } });
  webhooks = new Webhooks(engine);
});

async function finishedTask(caller?: Caller): Promise<OwnTask> {
  return { agent: echo, id: (await engine.send(echo, 'x', { caller })).id! };
}

async function refusal(answer: Promise<unknown>): Promise<A2AError> {
  const error: unknown = await answer.then(
    () => new Error('was not refused'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof A2AError) return error;
  throw error;
}

function rowsOf({ id }: OwnTask) {
  return tables.rows<Record<string, unknown> & { uid: string; url: string }>(
    'select * from perdure.push_configs where task_id = $1 order by id',
    [id],
  );
}

describe('a webhook', () => {
  it('is made, read, listed and deleted, also where its task has ended', async () => {
    const task = await finishedTask();
    const made = await webhooks.create(task, { id: 'mine', url: URL_A });
    const { secret, ...config } = made;
    expect(secret).toMatch(/^whsec_/);
    expect(config).toEqual({ id: 'mine', taskId: task.id, url: URL_A });
    expect(await webhooks.get(task, 'mine')).toEqual(config);
    expect((await webhooks.list(task)).configs).toMatchObject([config]);

    await webhooks.delete(task, 'mine');
    await webhooks.delete(task, 'mine');
    expect((await webhooks.list(task)).configs).toEqual([]);
    expect((await refusal(webhooks.get(task, 'mine'))).message).toContain('"mine"');
    expect(await tables.rows('select * from perdure.push_lanes where task_id = $1', [task.id])).toEqual([]);
    expect(await tables.rows('select push from perdure.tasks where id = $1', [task.id])).toEqual([{ push: null }]);
  });

  it('may have the same id at any number of tasks, and belongs to one', async () => {
    const tasks = [await finishedTask(), await finishedTask()] as const;
    await webhooks.create(tasks[0], { id: 'same', url: URL_A });
    await webhooks.create(tasks[1], { id: 'same', url: URL_B });
    await webhooks.delete(tasks[0], 'same');
    expect((await refusal(webhooks.get(tasks[0], 'same'))).reason).toBe('TASK_NOT_FOUND');
    expect((await webhooks.get(tasks[1], 'same')).url).toBe(URL_B);
  });

  it('gets an id where its client gives none', async () => {
    const task = await finishedTask();
    const first = await webhooks.create(task, { url: URL_A });
    const second = await webhooks.create(task, { url: URL_A });
    expect(first.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(second.id).not.toBe(first.id);
    // Before 1.0 a task had one webhook, without an id.
    const older = { pushDialect: '0.3' } as const;
    expect((await webhooks.create(task, { url: URL_A }, older)).id).toBe(task.id);
    expect((await webhooks.create(task, { url: URL_B }, older)).id).toBe(task.id);
    expect((await webhooks.list(task)).configs).toHaveLength(3);
  });

  it('keeps its place when one of its id is made again: other settings, a new secret beside the old one', async () => {
    const task = await finishedTask();
    const first = await webhooks.create(task, { id: 'a', url: URL_A, token: 'one' });
    const second = await webhooks.create(task, { id: 'a', url: `${URL_A}/next` });
    const [row, ...others] = await rowsOf(task);
    expect(others).toEqual([]);
    expect(second.secret).not.toBe(first.secret);
    expect(row).toMatchObject({ url: `${URL_A}/next`, token: null });
    expect(row!.previous_secret).not.toBeNull();
    // Who is told at another address never had the old secret.
    await webhooks.create(task, { id: 'a', url: URL_B });
    expect((await rowsOf(task))[0]).toMatchObject({ uid: row!.uid, endpoint: 'https://other.example:8443' });
    expect((await rowsOf(task))[0]!.previous_secret).toBeNull();
  });

  it('never shows its token, credentials or secret again, and nowhere keeps them in the clear', async () => {
    const task = await finishedTask();
    const authentication = { scheme: 'Basic', credentials: 'c3ByaW5nOmZsb3dlcnM=' };
    const { secret } = await webhooks.create(task, { id: 'a', url: URL_A, token: 'tulip-4711', authentication });
    const answers = JSON.stringify([await webhooks.get(task, 'a'), (await webhooks.list(task)).configs]);
    const stored = JSON.stringify([await rowsOf(task), await tables.rows('select * from perdure.push_lanes')]);
    for (const hidden of ['tulip-4711', 'c3ByaW5nOmZsb3dlcnM=', secret, secret.slice(6)]) {
      expect(answers).not.toContain(hidden);
      expect(stored).not.toContain(hidden);
      expect(JSON.stringify(engine.log)).not.toContain(hidden);
    }
    expect((await webhooks.get(task, 'a')).authentication).toEqual({ scheme: 'Basic' });
  });

  it('is not there for another tenant, nor at another agent', async () => {
    const task = await finishedTask();
    await webhooks.create(task, { id: 'a', url: URL_A });
    const strangers = [
      [task, { tenant: 'globex' }],
      [{ ...task, agent: engines.agent({ run: () => 'Done' }) }, {}],
      [{ ...task, id: '01a1fe85-72b1-75b9-b7be-97292e6e775e' }, {}],
      [{ ...task, id: 'no-uuid' }, {}],
    ] as const;
    for (const [stranger, caller] of strangers) {
      const calls = [
        webhooks.create(stranger, { id: 'b', url: URL_B }, caller),
        webhooks.get(stranger, 'a', caller),
        webhooks.list(stranger, {}, caller),
        webhooks.delete(stranger, 'a', caller),
      ];
      for (const refused of await Promise.all(calls.map(refusal))) expect(refused.reason).toBe('TASK_NOT_FOUND');
    }
    expect(await rowsOf(task)).toHaveLength(1);
  });

  it('is one of no more than a task may have, however many calls come at once', async () => {
    const task = await finishedTask();
    const other = new Webhooks(await engines.start({ config: { maxPushConfigs: 5 } }));
    const calls = Array.from({ length: 12 }, (_, i) =>
      (i % 2 ? webhooks : other).create(task, { id: `w${i}`, url: URL_A }).catch((error: A2AError) => error.reason),
    );
    const refused = (await Promise.all(calls)).filter((answer) => answer === 'RESOURCE_EXHAUSTED');
    expect(refused).toHaveLength(7);
    const [first] = (await webhooks.list(task)).configs;
    expect((await refusal(webhooks.create(task, { id: 'new', url: URL_A }))).reason).toBe('RESOURCE_EXHAUSTED');
    await webhooks.create(task, { id: first!.id, url: URL_B });
    await webhooks.delete(task, first!.id);
    await webhooks.create(task, { id: 'new', url: URL_A });
  });

  it('is refused with the field named where its fields do not do, in a send as well', async () => {
    const task = { agent: echo, id: '01a1fe85-72b1-75b9-b7be-97292e6e775e' };
    for (const [config, field, fact] of UNFIT) {
      const refused = [
        ['', webhooks.create(task, config)],
        ['configuration.taskPushNotificationConfig.', engine.send(echo, 'x', { taskPushNotificationConfig: config })],
      ] as const;
      for (const [path, answer] of refused) {
        const { reason, violations } = await refusal(answer);
        expect(reason).toBe('INVALID_PARAMS');
        expect(violations).toEqual([{ field: path + field, description: expect.stringMatching(fact) }]);
      }
    }
  });

  it('asks for a token of ours with Bearer and nothing behind it', async () => {
    const task = await finishedTask();
    await webhooks.create(task, { id: 'a', url: URL_A, authentication: { scheme: 'bearer' } });
    expect((await rowsOf(task))[0]).toMatchObject({ scheme: 'bearer', credentials: null });
  });

  it('is refused, like all that is asked of webhooks, without a secret key and by an agent that has none', async () => {
    const task = await finishedTask();
    const silent = engines.agent({
      card: { ...cardOf('silent'), capabilities: { pushNotifications: false } },
      run: () => 'x',
    });
    const keyless = await engines.start({ config: { secretKeys: [], databaseUrl: database.url } });
    const cases = [
      [keyless, task],
      [engine, { ...task, agent: silent }],
    ] as const;
    for (const [process, asked] of cases) {
      const operations = new Webhooks(process);
      const answers = [
        operations.create(asked, { url: URL_A }),
        operations.get(asked, 'a'),
        operations.list(asked),
        operations.delete(asked, 'a'),
        process.send(asked.agent, 'x', { taskPushNotificationConfig: { url: URL_A } }),
      ];
      for (const error of await Promise.all(answers.map(refusal))) {
        expect(error.reason).toBe('PUSH_NOTIFICATION_NOT_SUPPORTED');
      }
    }
  });
});

describe('a list of webhooks', () => {
  it('goes by pages, each webhook once, and takes no token of another list', async () => {
    const task = await finishedTask();
    const ids = ['A', 'a', 'ü', 'b', '~'];
    for (const id of ids) await webhooks.create(task, { id, url: URL_A });
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await webhooks.list(task, { pageSize: 2, pageToken });
      seen.push(...page.configs.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen.sort()).toEqual(ids.sort());

    const { nextPageToken } = await webhooks.list(task, { pageSize: 1 });
    const other = await finishedTask();
    expect((await refusal(webhooks.list(other, { pageToken: nextPageToken }))).violations[0]).toMatchObject({
      field: 'pageToken',
    });
    for (const token of ['x', Buffer.from('[1,2]').toString('base64url'), 'y'.repeat(10_000)]) {
      expect((await refusal(webhooks.list(task, { pageToken: token }))).reason).toBe('INVALID_PARAMS');
    }
    for (const pageSize of [-1, 101]) {
      expect((await refusal(webhooks.list(task, { pageSize }))).violations[0]).toMatchObject({ field: 'pageSize' });
    }
  });
});

describe('deleting a webhook', () => {
  it('waits until nothing is being sent to it, also for who deletes it a second time', async () => {
    const task = await finishedTask();
    await webhooks.create(task, { id: 'a', url: URL_A });
    const [row] = await rowsOf(task);
    await tables.rows(`update perdure.push_lanes set stage = 2, token = 1, due_at = now() + interval '1 h'`);
    const stopped = new Promise((resolve) => engine.tasks.signals.subscribe(PUSH_ABORT_SIGNALS, resolve));
    const order: string[] = [];
    const deletions = ['first', 'second'].map((name) => webhooks.delete(task, 'a').then(() => order.push(name)));
    expect(await stopped).toEqual(new Set([row!.uid]));
    await tables.waitFor(async () => expect(await rowsOf(task)).toEqual([]));
    order.push('let go');
    await tables.rows('delete from perdure.push_lanes where is_closed');
    await Promise.all(deletions);
    expect(order[0]).toBe('let go');
  });

  it('waits for no longer than the lease of a sender that is gone', async () => {
    const task = await finishedTask();
    await webhooks.create(task, { id: 'a', url: URL_A });
    await tables.rows(`update perdure.push_lanes set stage = 2, token = 1, due_at = now() + interval '200 ms'`);
    await webhooks.delete(task, 'a');
    const [{ now }] = (await tables.rows<{ now: boolean }>(
      'select coalesce(bool_and(due_at <= clock_timestamp()), true) as now from perdure.push_lanes where is_closed',
    )) as [{ now: boolean }];
    expect(now).toBe(true);
  });
});

function cardOf(name: string) {
  return { name, description: 'Tells nobody.', version: '1.0.0', skills: [] };
}
