import { beforeEach, describe, expect, it } from 'vitest';
import { type A2AError } from '#protocol';
import { deliveryId, deliveryOf, WebhookNotFoundError } from '#tasks';
import { type Engine, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';
import { Webhooks } from '../support/webhooks.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const DAY_MS = 86_400_000;
const NOBODY = '00000000-0000-7000-8000-000000000000';

/** Waits for its client at each turn: so its events come when the test wants them. */
const asking = engines.agent({
  async run(task) {
    for (;;) await task.requestInput('And then?');
  },
});

let engine: Engine;
let webhooks: Webhooks;

beforeEach(async () => {
  engine = await engines.start();
  webhooks = new Webhooks(engine);
});

/** A task with a webhook that has events waiting: nothing sends them, since no process of the test delivers. */
async function waiting({ url = 'https://hooks.example/a', tenant = 'acme' } = {}) {
  const caller = { tenant };
  const { id } = await engine.send(asking, 'go', { caller });
  const task = { agent: asking, id: id! };
  const { secret } = await webhooks.create(task, { id: 'mine', url, token: 'tok-7' }, caller);
  await engine.send(asking, { taskId: id, parts: [{ text: 'on' }] }, { caller });
  await tables.until(task.id, 'INPUT_REQUIRED');
  const rows = await tables.rows<{ config_uid: string; sequence: number }>(
    'select config_uid, sequence from perdure.push_deliveries where task_id = $1 order by sequence',
    [task.id],
  );
  const uid = rows[0]!.config_uid;
  return { ...task, uid, secret, sequences: rows.map(({ sequence }) => sequence) };
}

type Waiting = Awaited<ReturnType<typeof waiting>>;

/** What a worker would have written down. */
async function settle({ uid, sequences }: Waiting, state: number, only = sequences, at = 'now()'): Promise<void> {
  await tables.rows(
    `with d as (update perdure.push_deliveries set state = $1, settled_at = ${at}, attempts = 8, failures = 8
       where config_uid = $2 and sequence = any($3) returning *)
     insert into perdure.push_attempts (tenant_id, task_id, config_uid, sequence, attempt, at, latency_ms, status, error, response)
     select tenant_id, task_id, config_uid, sequence, n, ${at}, 12, case n when 8 then 500 end,
       case when n < 8 then 'timeout' end, case n when 8 then 'no' end from d, generate_series(7, 8) n`,
    [state, uid, only],
  );
}

const named = ({ uid }: Waiting, sequence: number) => ({ configUid: uid, sequence });
const idOf = ({ uid }: Waiting, sequence: number) => deliveryId({ configUid: uid, sequence });

function delivery({ uid }: Waiting, sequence: number) {
  return tables
    .rows<{ state: number; failures: number; attempts: number; next_at: Date | null }>(
      'select state, failures, attempts, next_at from perdure.push_deliveries where config_uid = $1 and sequence = $2',
      [uid, sequence],
    )
    .then(([row]) => row!);
}

function lane({ uid }: Waiting) {
  return tables
    .rows<{ due_at: Date | null; stage: number; is_paused: boolean; is_hastened: boolean }>(
      'select * from perdure.push_lanes where config_uid = $1',
      [uid],
    )
    .then(([row]) => row!);
}

describe('the list of webhooks', () => {
  it('shows each with its health and what waits, page by page, and no secret of any kind', async () => {
    const task = await waiting({ url: 'https://hooks.example:8443/in?key=hidden' });
    const other = await waiting({ url: 'https://down.example/x', tenant: 'globex' });
    await settle(other, 3, other.sequences.slice(0, 1));
    await tables.rows(
      `insert into perdure.push_endpoints (tenant_id, endpoint, failures, failing_since, open_until)
       values ('globex', 'https://down.example', 21, now(), now() + interval '1 minute')`,
    );

    const list = engine.tasks.webhookOperator;
    const shown = await list.show(task.uid);
    expect(shown).toMatchObject({
      ...{ webhook: task.uid, tenant: 'acme', task: task.id, id: 'mine', owner: 'alice', health: 'ok', hasToken: true },
      ...{ url: 'https://hooks.example:8443/in?…', endpoint: 'https://hooks.example:8443' },
      queue: { pending: task.sequences.length, resending: 0, dead: 0, oldestAt: expect.any(Date) },
    });
    const failing = await list.list({ failing: true, tenantId: 'globex' }, 10);
    expect(failing.items).toMatchObject([{ webhook: other.uid, health: 'paused', failures: 21, queue: { dead: 1 } }]);

    const first = await list.list({}, 1);
    const rest = await list.list({}, 1_000, first.next);
    const all = [...first.items, ...rest.items];
    expect(all.map(({ webhook }) => webhook)).toEqual(expect.arrayContaining([task.uid, other.uid]));
    expect(new Set(all.map(({ webhook }) => webhook)).size).toBe(all.length);
    const text = JSON.stringify([all, await list.endpoints(undefined, 100), await list.deliveries({}, 100)]);
    for (const secret of [task.secret, other.secret, 'tok-7', 'hidden', 'v1.']) expect(text).not.toContain(secret);
  });

  it('of endpoints has those with something to send, and those that fail', async () => {
    const task = await waiting({ url: 'https://queue.example/a' });
    await tables.rows('update perdure.push_lanes set due_at = now() where config_uid = $1', [task.uid]);
    await tables.rows(
      `insert into perdure.push_endpoints (tenant_id, endpoint, disabled_at) values ('acme', 'https://gone.example', now())`,
    );
    const { items } = await engine.tasks.webhookOperator.endpoints('acme', 100);
    expect(items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...{ endpoint: 'https://queue.example', health: 'ok', waiting: 1, pending: task.sequences.length },
        }),
        expect.objectContaining({ endpoint: 'https://gone.example', health: 'disabled', waiting: 0 }),
      ]),
    );
    const page = await engine.tasks.webhookOperator.endpoints('acme', 1);
    const next = await engine.tasks.webhookOperator.endpoints('acme', 100, page.next);
    expect([...page.items, ...next.items]).toEqual(items);
  });
});

describe('the delivery log', () => {
  it('lists deliveries with their last attempt, newest first, by what is asked', async () => {
    const task = await waiting();
    const [first, second] = task.sequences as [number, number];
    await settle(task, 3, [first], `now() - interval '2 days'`);
    await settle(task, 2, [second]);
    const { webhookOperator: operator } = engine.tasks;

    const all = await operator.deliveries({ configUid: task.uid }, 100);
    expect(all.items.map(({ sequence }) => sequence)).toEqual(task.sequences.toReversed());
    expect(all.items.at(-1)).toMatchObject({
      ...{ delivery: idOf(task, first), webhook: task.uid, tenant: 'acme', task: task.id, state: 'dead', attempts: 8 },
      last: { latencyMs: 12, status: 500 },
    });
    const states = async (filter: object) =>
      (await operator.deliveries({ configUid: task.uid, ...filter }, 100)).items.map(({ sequence }) => sequence);
    expect(await states({ state: 'dead' })).toEqual([first]);
    expect(await states({ state: 'dead', since: new Date(Date.now() - DAY_MS) })).toEqual([]);
    expect(await states({ state: 'delivered' })).toEqual([second]);
    expect(await states({ state: 'pending' })).toEqual(task.sequences.slice(2).toReversed());
    expect(await states({ endpoint: 'https://elsewhere.example' })).toEqual([]);
    expect(await states({ tenantId: 'globex' })).toEqual([]);
    const page = await operator.deliveries({ taskId: task.id }, 1);
    const rest = await operator.deliveries({ taskId: task.id }, 100, page.next);
    expect([...page.items, ...rest.items]).toEqual(all.items);

    const shown = await operator.delivery(deliveryOf(idOf(task, first))!);
    expect(shown.log).toMatchObject([
      { attempt: 8, status: 500, latencyMs: 12, response: 'no' },
      { attempt: 7, error: 'timeout' },
    ]);
    await expect(operator.delivery(named(task, 999))).rejects.toThrow(WebhookNotFoundError);
    await expect(operator.show(NOBODY)).rejects.toThrow(WebhookNotFoundError);
  });
});

describe('a resend', () => {
  it('is made of what is settled, aside of the order, with its schedule anew', async () => {
    const task = await waiting();
    const [dead, delivered] = task.sequences as [number, number];
    await settle(task, 3, [dead]);
    await settle(task, 2, [delivered]);
    const { repair } = engine.tasks.webhookOperator;

    const dry = await repair.resend([named(task, dead)], true);
    expect(dry).toMatchObject([{ delivery: idOf(task, dead), outcome: 'possible' }]);
    expect(await delivery(task, dead)).toMatchObject({ next_at: null, failures: 8 });

    const reports = await repair.resend([named(task, dead), named(task, delivered), named(task, dead)]);

    expect(reports).toMatchObject([
      { delivery: idOf(task, dead), outcome: 'done', text: 'it is dead, and is sent again under the same id' },
      { delivery: idOf(task, delivered), outcome: 'done', text: expect.stringContaining('it is delivered') },
    ]);
    expect(await delivery(task, dead)).toMatchObject({ state: 3, failures: 0, attempts: 8, next_at: expect.any(Date) });
    expect(await delivery(task, delivered)).toMatchObject({ state: 2, failures: 0, next_at: expect.any(Date) });
    expect((await lane(task)).due_at!.getTime()).toBeLessThanOrEqual(Date.now() + 1_000);
    expect(await repair.resend([named(task, dead)])).toMatchObject([{ outcome: 'refused', code: 'UNDER_WAY' }]);
  });

  it('of the event at the head is its next attempt now; those behind it wait their turn', async () => {
    const task = await waiting();
    const [head, behind] = task.sequences as [number, number];
    await tables.rows(
      `update perdure.push_deliveries set state = 1, failures = 2, next_at = now() + interval '5 minutes'
       where config_uid = $1 and sequence = $2`,
      [task.uid, head],
    );
    const { repair } = engine.tasks.webhookOperator;

    expect(await repair.resend([named(task, head), named(task, behind)])).toMatchObject([
      { outcome: 'done', text: 'its next attempt is due now' },
      { outcome: 'refused', code: 'WAITS_ITS_TURN', text: expect.stringContaining(`after event ${head}`) },
    ]);
    expect(await delivery(task, head)).toMatchObject({ state: 1, failures: 2, next_at: null });

    await tables.rows(
      "update perdure.push_lanes set stage = 2, due_at = now() + interval '1 minute' where config_uid = $1",
      [task.uid],
    );
    expect(await repair.resend([named(task, head)])).toMatchObject([{ outcome: 'refused', code: 'UNDER_WAY' }]);
  });

  it('is refused where it would not be sent: skipped by the filter, disabled, unknown', async () => {
    const task = await waiting();
    const [first, second] = task.sequences as [number, number];
    await settle(task, 4, [first]);
    const { repair } = engine.tasks.webhookOperator;
    const codes = async (...names: Parameters<typeof repair.resend>[0]) =>
      (await repair.resend(names)).map(({ code }) => code);
    expect(await codes(named(task, first), named(task, 999), { configUid: NOBODY, sequence: 1 })).toEqual([
      'SKIPPED',
      'NOT_FOUND',
      'NOT_FOUND',
    ]);
    await tables.rows('update perdure.push_configs set disabled_at = now() where uid = $1', [task.uid]);
    expect(await codes(named(task, second))).toEqual(['DISABLED']);
  });
});

describe('a recovery', () => {
  it('sends again what is dead since a time, oldest first, once, page by page', async () => {
    const task = await waiting({ url: 'https://back.example/a' });
    await engine.send(asking, { taskId: task.id, parts: [{ text: 'on' }] });
    await tables.until(task.id, 'INPUT_REQUIRED');
    const other = await waiting({ url: 'https://other.example/a' });
    const [old, ...recent] = task.sequences as [number, ...number[]];
    await settle(task, 3, [old], `now() - interval '2 days'`);
    await settle(task, 3, recent);
    await settle(other, 3);
    const { repair } = engine.tasks.webhookOperator;
    const filter = { endpoint: 'https://back.example', since: new Date(Date.now() - DAY_MS) };

    const planned = await repair.recover(filter, { limit: 100, dryRun: true });
    expect(planned.items.map(({ outcome }) => outcome)).toEqual(recent.map(() => 'possible'));
    const first = await repair.recover(filter, { limit: 1 });
    const rest = await repair.recover(filter, { limit: 100, after: first.next });

    expect([...first.items, ...rest.items].map((report) => report.delivery)).toEqual(recent.map((n) => idOf(task, n)));
    expect((await delivery(task, old)).next_at).toBeNull();
    expect((await delivery(other, other.sequences[0]!)).next_at).toBeNull();
    for (const sequence of recent) expect((await delivery(task, sequence)).next_at).not.toBeNull();
    expect(await repair.recover(filter, { limit: 100 })).toEqual({ items: [], next: undefined });
  });
});

describe('a test', () => {
  it('is a delivery of its own, numbered aside of the events, and no dead letter', async () => {
    const task = await waiting();
    const { repair } = engine.tasks.webhookOperator;
    expect(await repair.test(task.uid)).toBe(`${task.uid}_test1`);
    expect(await repair.test(task.uid)).toBe(`${task.uid}_test2`);
    const shown = await engine.tasks.webhookOperator.delivery({ configUid: task.uid, sequence: -2 });
    expect(shown).toMatchObject({ delivery: `${task.uid}_test2`, state: 'pending', attempts: 0, log: [] });
    expect(shown).not.toHaveProperty('sequence');
    expect(await repair.resend([named(task, -2)])).toMatchObject([{ code: 'TEST' }]);
    expect((await engine.tasks.webhookOperator.show(task.uid)).queue.dead).toBe(0);
    expect(await repair.recover({ configUid: task.uid }, { limit: 10 })).toEqual({ items: [], next: undefined });
    await tables.rows('update perdure.push_configs set disabled_at = now() where uid = $1', [task.uid]);
    await expect(repair.test(task.uid)).rejects.toThrow(/webhook is disabled/);
    await expect(repair.test(NOBODY)).rejects.toThrow(WebhookNotFoundError);
  });
});

describe('a rotation', () => {
  it('makes a secret that is shown once, and keeps the old one for a while', async () => {
    const task = await waiting();
    const { repair } = engine.tasks.webhookOperator;
    const { secret, previousUntil } = await repair.rotate(task.uid, DAY_MS);
    expect(secret).toMatch(/^whsec_/);
    expect(secret).not.toBe(task.secret);
    expect(previousUntil!.getTime()).toBeGreaterThan(Date.now() + DAY_MS - 60_000);
    expect((await engine.tasks.webhookOperator.show(task.uid)).previousSecretUntil).toEqual(previousUntil);
    expect(JSON.stringify(await tables.rows('select * from perdure.push_configs'))).not.toContain('whsec_');

    expect(await repair.rotate(task.uid, 0)).toEqual({ secret: expect.stringMatching(/^whsec_/) });
    expect(await engine.tasks.webhookOperator.show(task.uid)).not.toHaveProperty('previousSecretUntil');
    await expect(repair.rotate(NOBODY, 0)).rejects.toThrow(WebhookNotFoundError);
  });

  it('is refused where there is no secret key', async () => {
    const task = await waiting();
    const keyless = await engines.start({ config: { secretKeys: [], databaseUrl: database.url } });
    const refused = await keyless.tasks.webhookOperator.repair.rotate(task.uid, 0).catch((error: unknown) => error);
    expect(refused).toMatchObject({ reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED' } satisfies Partial<A2AError>);
  });
});

describe('what is disabled', () => {
  async function disabled(task: Waiting): Promise<void> {
    const key = { tenantId: 'acme', taskId: task.id, configUid: task.uid };
    const { pushLanes } = engine.tasks.store;
    const [{ url }] = (await tables.rows<{ url: string }>('select url from perdure.push_configs where uid = $1', [
      task.uid,
    ])) as [{ url: string }];
    expect(await pushLanes.disable(engine.tasks.store.db, key, url, 'gone')).toBe(true);
  }

  it('goes on with what has waited once it is enabled', async () => {
    const task = await waiting();
    await disabled(task);
    const operator = engine.tasks.webhookOperator;
    expect(await operator.show(task.uid)).toMatchObject({ health: 'disabled', disabledReason: 'gone' });
    expect(await operator.list({ taskId: task.id, disabled: true }, 10)).toMatchObject({
      items: [{ webhook: task.uid }],
    });
    expect(await lane(task)).toMatchObject({ is_paused: true, due_at: null });

    expect(await operator.repair.enable(task.uid)).toContain('the webhook is enabled');

    expect(await operator.show(task.uid)).toMatchObject({ health: 'ok', queue: { pending: task.sequences.length } });
    expect(await lane(task)).toMatchObject({ is_paused: false, due_at: expect.any(Date) });
    expect(await operator.repair.enable(task.uid)).toContain('was not disabled');
    await expect(operator.repair.enable(NOBODY)).rejects.toThrow(WebhookNotFoundError);
  });

  it('by its endpoint is enabled with all others there', async () => {
    const url = 'https://all.example/a';
    const tasks = [await waiting({ url }), await waiting({ url: 'https://all.example/b' })];
    for (const task of tasks) await disabled(task);
    await tables.rows(
      `insert into perdure.push_endpoints (tenant_id, endpoint, failures, failing_since, disabled_at)
       values ('acme', 'https://all.example', 9, now(), now())`,
    );
    const operator = engine.tasks.webhookOperator;
    expect(await operator.show(tasks[0]!.uid)).toMatchObject({ health: 'disabled', failures: 9 });

    const text = await operator.repair.enableEndpoint('acme', 'https://all.example');

    expect(text).toContain('2 of its webhooks were disabled');
    for (const { uid } of tasks) expect(await operator.show(uid)).toMatchObject({ health: 'ok', failures: 0 });
    await expect(operator.repair.enableEndpoint('acme', 'https://never.example')).rejects.toThrow(WebhookNotFoundError);
  });
});
