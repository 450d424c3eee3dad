import { describe, expect, it } from 'vitest';
import { type Engine, type SendOptions, textOf, useEngines } from '../support/engine.js';
import { Gate } from '../support/gate.js';
import { act } from '../support/operator.js';
import { useDatabase } from '../support/postgres.js';
import { useTables } from '../support/task-tables.js';
import { Webhooks } from '../support/webhooks.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);

const URL_A = 'https://hooks.example/a';
const inline = { taskPushNotificationConfig: { url: URL_A } } satisfies SendOptions;

/** Asks once, then says what it was told. */
const asking = engines.agent({
  async run(task) {
    return `You said ${textOf(await task.requestInput('Which one?'))}`;
  },
});

/** The events that a webhook of the task is to be told of, by number. */
async function recorded(taskId: string, id = taskId): Promise<number[]> {
  const rows = await tables.rows<{ sequence: number }>(
    `select d.sequence from perdure.push_deliveries d join perdure.push_configs c on c.uid = d.config_uid
     where c.task_id = $1 and c.id = $2 order by 1`,
    [taskId, id],
  );
  return rows.map(({ sequence }) => sequence);
}

async function allEvents(taskId: string): Promise<number[]> {
  const { last_sequence: last } = await tables.task(taskId);
  return Array.from({ length: last }, (_, i) => i + 1);
}

describe('a webhook that comes with the message which makes a task', () => {
  it('is told of all its events, the first included, whether its run begins at once or not', async () => {
    const agent = engines.agent({
      async run(task) {
        await task.status('One');
        await task.status('Two');
        return 'Done';
      },
    });
    const engine = await engines.start();
    const server = await engines.start({ runs: false });
    for (const accepting of [engine, server]) {
      const { id } = await accepting.send(agent, 'x', inline);
      expect(await recorded(id!)).toEqual(await allEvents(id!));
      expect((await tables.task(id!)).last_sequence).toBeGreaterThan(3);
    }
  });

  it('is stored with others in one commit, each with the task that it came with', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    const sends = Array.from({ length: 30 }, (_, i) => engine.send(agent, 'x', i % 3 === 0 ? inline : {}));
    const ids = (await Promise.all(sends)).map(({ id }) => id!);
    for (const [i, id] of ids.entries()) expect(await recorded(id)).toEqual(i % 3 === 0 ? await allEvents(id) : []);
  });

  it('has its secret told again to who repeats the call under its key', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ run: () => 'Done' });
    const told: string[] = [];
    const caller = { idempotencyKey: 'k-1', onWebhookSecret: (secret: string) => told.push(secret) };
    const first = await engine.send(agent, 'x', { ...inline, caller });
    const second = await engine.send(agent, 'x', { ...inline, caller });
    expect(second.id).toBe(first.id);
    expect(told).toEqual([expect.stringMatching(/^whsec_/), told[0]]);
  });

  it('is forgotten with a message that is answered without a task', async () => {
    const engine = await engines.start();
    const agent = engines.agent({ respond: () => 'pong', run: () => 'Done' });
    const told: string[] = [];
    const before = await tables.rows('select from perdure.push_configs');
    await engine.answer(agent, 'ping', { ...inline, caller: { onWebhookSecret: (secret) => told.push(secret) } });
    expect(await tables.rows('select from perdure.push_configs')).toHaveLength(before.length);
    expect(told).toEqual([]);
  });
});

describe('a webhook is told of what others than a run do to the task', () => {
  it('of the message that it came with, and of what follows', async () => {
    const engine = await engines.start();
    const { id } = await engine.send(asking, 'x');
    const asked = (await tables.task(id!)).last_sequence;
    await engine.send(asking, { taskId: id!, parts: [{ text: 'red' }] }, inline);
    const events = await allEvents(id!);
    expect(await recorded(id!)).toEqual(events.slice(asked));
    expect(await tables.states(id!)).toEqual(expect.arrayContaining(['INPUT_REQUIRED', 'COMPLETED']));
  });

  it('of its cancellation', async () => {
    const engine = await engines.start();
    const { id } = await engine.send(asking, 'x', inline);
    await engine.cancel(asking, id!);
    expect(await recorded(id!)).toEqual(await allEvents(id!));
  });

  it('of the operator who opens it again', async () => {
    const engine = await engines.start();
    let isBroken = true;
    const agent = engines.agent({
      retry: { attempts: 1, initialDelayMs: 1, maxDelayMs: 1 },
      run: () => {
        if (isBroken) throw new Error('down');
        return 'Done';
      },
    });
    const { id } = await engine.send(agent, 'x', inline);
    const failed = (await tables.task(id!)).last_sequence;
    isBroken = false;
    expect(await act(engine, { kind: 'redrive' }, id!)).toMatchObject({ outcome: 'done' });
    await tables.until(id!, 'COMPLETED');
    expect(await recorded(id!)).toEqual(await allEvents(id!));
    expect((await tables.task(id!)).last_sequence).toBeGreaterThan(failed + 1);
  });

  it('at once, in the process that has committed it', async () => {
    const engine = await engines.start();
    let calls = 0;
    engine.tasks.pushArrivals.onRecorded(() => calls++);
    const quiet = engines.agent({ run: () => 'Done' });
    await engine.send(quiet, 'x');
    expect(calls).toBe(0);
    const { id } = await engine.send(asking, 'x', inline);
    const afterQuestion = calls;
    expect(afterQuestion).toBeGreaterThan(0);
    await engine.cancel(asking, id!);
    expect(calls).toBeGreaterThan(afterQuestion);
  });
});

describe('webhooks that come and go while another process writes events', () => {
  it('are told of each event from their making to their end, without a gap', async () => {
    const [writer, other] = [await engines.start(), await engines.start()];
    const enough = new Gate();
    let isOver = false;
    void enough.opened.then(() => (isOver = true));
    const agent = engines.agent({
      async run(task) {
        for (let n = 1; !isOver; n++) {
          await task.status(`Step ${n}`);
          // Waits for the commit, so that there are many of them, with few events each.
          if (n % 3 === 0) await task.step(`s${n}`, () => n);
        }
        return 'Done';
      },
    });
    const { id } = await writer.submit(agent, 'x');
    const task = { agent, id: id! };
    const lasting = await Promise.all([0, 1, 2, 3].map((n) => comeAndGo(n % 2 ? writer : other, task, n)));
    enough.open();
    await tables.until(id!, 'COMPLETED');
    const events = await allEvents(id!);
    for (const { name, before, after } of lasting.flat()) {
      const told = await recorded(id!, name);
      expect(told, name).toEqual(events.slice(told[0]! - 1));
      expect(told[0], `${name} begins behind what stood when it was asked for`).toBeGreaterThan(before);
      expect(told[0], `${name} begins no later than its answer`).toBeLessThanOrEqual(after + 1);
    }
    const orphans = `select from perdure.push_deliveries d where task_id = $1
      and not exists (select from perdure.push_configs c where c.uid = d.config_uid)`;
    expect(await tables.rows(orphans, [id])).toEqual([]);
  });
});

/** Makes a webhook again and again, and deletes every second one; answers with those that stay. */
async function comeAndGo(engine: Engine, task: { agent: string; id: string }, client: number) {
  const webhooks = new Webhooks(engine);
  const staying = [];
  for (let n = 0; n < 6; n++) {
    const name = `${client}-${n}`;
    const before = (await tables.task(task.id)).last_sequence;
    await webhooks.create(task, { id: name, url: URL_A });
    const after = (await tables.task(task.id)).last_sequence;
    if (n % 2) await webhooks.delete(task, name);
    else staying.push({ name, before, after });
  }
  return staying;
}
