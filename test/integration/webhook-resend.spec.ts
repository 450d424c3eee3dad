import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#platform';
import { deliveryId, deliveryOf } from '#tasks';
import { type Engine, useEngines } from '../support/engine.js';
import { useDatabase } from '../support/postgres.js';
import { answering, RawReceiver } from '../support/raw-receiver.js';
import { useTables } from '../support/task-tables.js';
import { Webhooks } from '../support/webhooks.js';

const database = useDatabase();
const tables = useTables(database);
const engines = useEngines(database);
const { pushAllow } = loadConfig({ PERDURE_PUSH_ALLOW: '127.0.0.1' });
const HOUR_MS = 3_600_000;

const asking = engines.agent({
  async run(task) {
    for (;;) await task.requestInput('And then?');
  },
});

/** A request that waits for its answer. */
interface Request {
  readonly sequence: number;
  readonly answer: (status: number) => void;
}

let receiver: RawReceiver;
let requests: Request[];
/** Undefined: each waits for the test. */
let status: number | undefined;

beforeEach(async () => {
  requests = [];
  status = 200;
  receiver = await RawReceiver.start((socket, request) => {
    const id = /\r\nwebhook-id: (\S+)\r\n/i.exec(request)![1]!;
    const answer = (code: number) => answering(code)(socket, request);
    requests.push({ sequence: deliveryOf(id)!.sequence, answer });
    if (status !== undefined) answer(status);
  });
});
afterEach(() => receiver.stop());

const came = () => requests.map(({ sequence }) => sequence);
const until = (sequences: readonly number[]) => tables.waitFor(async () => expect(came()).toEqual(sequences), 5);

function deliverer(pushRetryMs: readonly number[]): Promise<Engine> {
  return engines.start({ push: true, config: { pushAllow, pushRetryMs } });
}

/** A task that waits for its client, with a webhook that has had all of its events so far but the first two. */
async function watched(engine: Engine) {
  const { id } = await engine.send(asking, 'go');
  const task = { agent: asking, id: id! };
  await new Webhooks(engine).create(task, { id: 'mine', url: `http://127.0.0.1:${receiver.port}/` });
  const [row] = await tables.rows<{ uid: string }>('select uid from perdure.push_configs where task_id = $1', [id]);
  const uid = row!.uid;
  const named = (sequence: number) => ({ configUid: uid, sequence });
  const resend = (sequence: number) => engine.tasks.webhookOperator.repair.resend([named(sequence)]);
  const proceed = async (): Promise<number[]> => {
    const before = (await tables.task(id!)).last_sequence;
    await engine.send(asking, { taskId: id, parts: [{ text: 'on' }] });
    const after = (await tables.task(id!)).last_sequence;
    return Array.from({ length: after - before }, (_, i) => before + 1 + i);
  };
  const state = (sequence: number) =>
    engine.tasks.webhookOperator.delivery(named(sequence)).then((delivery) => delivery.state);
  const settled = (sequence: number, wanted: string) =>
    tables.waitFor(async () => expect(await state(sequence)).toBe(wanted), 5);
  return { ...task, uid, named, resend, proceed, settled };
}

describe('a resend', () => {
  it('while the lane is sending comes after what is under way, which is neither cut off nor sent twice', async () => {
    const engine = await deliverer([0, HOUR_MS]);
    const { proceed, resend, settled } = await watched(engine);
    const [first, second] = (await proceed()) as [number, number];
    await settled(second, 'delivered');
    status = undefined;
    const [third, fourth] = (await proceed()) as [number, number];
    await until([first, second, third]);

    expect(await resend(first)).toMatchObject([{ outcome: 'done' }]);
    expect(await resend(third)).toMatchObject([{ outcome: 'refused', code: 'UNDER_WAY' }]);
    expect(await resend(fourth)).toMatchObject([{ outcome: 'refused', code: 'WAITS_ITS_TURN' }]);
    status = 200;
    requests.at(-1)!.answer(200);

    await settled(fourth, 'delivered');
    await tables.waitFor(async () => expect(requests).toHaveLength(5), 5);
    expect(came().toSorted()).toEqual([first, first, second, third, fourth]);
    expect(came().filter((n, i) => n !== first || i === 0)).toEqual([first, second, third, fourth]);
  });

  it('that fails holds up nothing, and stays what it was when its schedule is used up', async () => {
    const engine = await deliverer([0, 1]);
    const { proceed, resend, settled, named } = await watched(engine);
    status = 500;
    const [dead, next] = (await proceed()) as [number, number];
    await settled(next, 'dead');
    expect(came()).toEqual([dead, dead, next, next]);

    status = undefined;
    expect(await resend(dead)).toMatchObject([{ outcome: 'done' }]);
    await until([dead, dead, next, next, dead]);
    const events = await proceed();
    requests.at(-1)!.answer(500);
    for (let sent = 6; sent <= 6 + events.length; sent++) {
      await tables.waitFor(async () => expect(requests).toHaveLength(sent), 5);
      const { sequence, answer } = requests.at(-1)!;
      answer(sequence === dead ? 500 : 200);
    }
    for (const sequence of events) await settled(sequence, 'delivered');
    const after = came().slice(4);
    expect(after.filter((sequence) => sequence === dead)).toHaveLength(2);
    expect(after.filter((sequence) => sequence !== dead)).toEqual(events);
    await tables.waitFor(async () => {
      const shown = await engine.tasks.webhookOperator.delivery(named(dead));
      expect(shown).toMatchObject({ state: 'dead', attempts: 4 });
      expect(shown).not.toHaveProperty('nextAt');
    }, 5);
  });

  it('goes out at once where the head waits for its next attempt, and leaves that as it is', async () => {
    const engine = await deliverer([0, HOUR_MS]);
    const { proceed, resend, settled, uid } = await watched(engine);
    const [first, second] = (await proceed()) as [number, number];
    await settled(second, 'delivered');
    status = 500;
    const [head] = (await proceed()) as [number];
    await until([first, second, head]);
    const paused = async () => {
      const rows = await tables.rows<{ next_at: Date; failures: number }>(
        'select next_at, failures from perdure.push_deliveries where config_uid = $1 and sequence = $2',
        [uid, head],
      );
      return rows[0]!;
    };
    await tables.waitFor(async () => expect(await paused()).toMatchObject({ failures: 1 }), 5);
    const before = await paused();
    status = 200;

    await resend(first);
    await until([first, second, head, first]);
    await tables.waitFor(async () => {
      const [lane] = await tables.rows('select stage from perdure.push_lanes where config_uid = $1', [uid]);
      expect(lane).toEqual({ stage: 0 });
    }, 5);
    expect(await paused()).toEqual(before);

    expect(await resend(head)).toMatchObject([{ outcome: 'done', text: 'its next attempt is due now' }]);
    await settled(head, 'delivered');
    expect(came().slice(3, 5)).toEqual([first, head]);
  });

  it('is one, however many operators ask at once', async () => {
    const engines_ = [await deliverer([0]), await deliverer([0])] as const;
    const { proceed, settled, named } = await watched(engines_[0]);
    const [first, second] = (await proceed()) as [number, number];
    await settled(second, 'delivered');
    status = undefined;

    const asked = Array.from({ length: 6 }, (_, n) =>
      engines_[n % 2]!.tasks.webhookOperator.repair.resend([named(first)]),
    );
    const outcomes = (await Promise.all(asked)).map(([report]) => report!.code ?? report!.outcome).toSorted();

    expect(outcomes).toEqual([...Array.from({ length: 5 }, () => 'UNDER_WAY'), 'done']);
    await until([first, second, first]);
    requests.at(-1)!.answer(200);
    await tables.waitFor(async () => {
      const shown = await engines_[0].tasks.webhookOperator.delivery(named(first));
      expect(shown.attempts).toBe(2);
      expect(shown).not.toHaveProperty('nextAt');
    }, 5);
    expect(came()).toEqual([first, second, first]);
  });

  it('ends with its webhook', async () => {
    const engine = await deliverer([0, HOUR_MS]);
    const { id, proceed, resend, settled, uid } = await watched(engine);
    const [first, second] = (await proceed()) as [number, number];
    await settled(second, 'delivered');
    status = 500;
    await resend(first);
    await until([first, second, first]);
    await tables.waitFor(async () => {
      const [row] = await tables.rows(
        'select failures from perdure.push_deliveries where config_uid = $1 and sequence = $2',
        [uid, first],
      );
      expect(row).toEqual({ failures: 1 });
    }, 5);
    await new Webhooks(engine).delete({ agent: asking, id }, 'mine');
    expect(await resend(first)).toMatchObject([{ outcome: 'refused', code: 'NOT_FOUND' }]);
    expect(await tables.rows('select from perdure.push_lanes where config_uid = $1', [uid])).toEqual([]);
    expect(came()).toEqual([first, second, first]);
  });
});

describe('an operator', () => {
  it('recovers what is dead in the order of its events, with the ids it had', async () => {
    const engine = await deliverer([0]);
    const { proceed, settled, uid } = await watched(engine);
    status = 500;
    const dead = [...(await proceed()), ...(await proceed())];
    await settled(dead.at(-1)!, 'dead');
    status = 200;
    const { items } = await engine.tasks.webhookOperator.repair.recover({ configUid: uid }, { limit: 100 });
    expect(items.map(({ delivery }) => delivery)).toEqual(
      dead.map((sequence) => deliveryId({ configUid: uid, sequence })),
    );
    for (const sequence of dead) await settled(sequence, 'delivered');
    expect(came()).toEqual([...dead, ...dead]);
  });

  it('enables a webhook that its receiver has ended with 410, and nothing of it is lost', async () => {
    const engine = await deliverer([0, HOUR_MS]);
    const { proceed, settled, uid } = await watched(engine);
    const operator = engine.tasks.webhookOperator;
    status = 410;
    const [gone, ...rest] = (await proceed()) as [number, ...number[]];
    await tables.waitFor(async () => expect((await operator.show(uid)).health).toBe('disabled'), 5);
    await tables.waitFor(async () => {
      expect(await operator.delivery({ configUid: uid, sequence: gone })).toMatchObject({ last: { status: 410 } });
    }, 5);
    const more = await proceed();
    expect(came()).toEqual([gone]);
    status = 200;

    await operator.repair.enable(uid);

    const waited = [gone, ...rest, ...more];
    for (const sequence of waited) await settled(sequence, 'delivered');
    expect(came()).toEqual([gone, ...waited]);
  });

  it('sends a test: the task as it is, marked, once, also while the head waits', async () => {
    const engine = await deliverer([0, HOUR_MS]);
    const { id, proceed, uid } = await watched(engine);
    status = 500;
    const [head] = (await proceed()) as [number];
    await until([head]);
    const test = deliveryOf(await engine.tasks.webhookOperator.repair.test(uid))!;
    await until([head, -1]);
    await tables.waitFor(async () => {
      expect(await engine.tasks.webhookOperator.delivery(test)).toMatchObject({ state: 'dead', attempts: 1 });
    }, 5);
    const request = receiver.requests.at(-1)!;
    expect(request).toMatch(/\r\nwebhook-test: true\r\n/i);
    const body = JSON.parse(request.slice(request.indexOf('\r\n\r\n') + 4)) as object;
    expect(body).toMatchObject({ task: { id, status: { state: 'TASK_STATE_INPUT_REQUIRED' } } });
    expect(body).not.toHaveProperty('task.history');
    expect(receiver.requests[0]).not.toMatch(/webhook-test/i);
  });
});
