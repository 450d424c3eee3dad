import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { factor, milliseconds, percent, whole } from '../numbers.mjs';
import { percentile, spread } from '../statistics.mjs';
import { WebhookReceiver } from '../webhook-receiver.mjs';

const execute = promisify(execFile);
const BARE_POSTS = fileURLToPath(new URL('../bare-posts.mjs', import.meta.url));
const DATABASE = 'perdure_webhooks';
const CONNECTIONS = 64;
/** Normal and quick: tasks with a webhook each whose deliveries are counted, and how often. */
const RATE = { tasks: 2_000, rounds: 5 };
const QUICK_RATE = { tasks: 500, rounds: 3 };
/** Normal and quick: events for the hole, pairs of measurements, and how long each takes. */
const HOLE = { events: 10_000, pairs: 7, measureMs: 12_000 };
const QUICK_HOLE = { events: 10_000, pairs: 4, measureMs: 6_000 };
/** Tasks a second of the other tenant. */
const LIGHT_RATE = 40;
/** What a body of an echo task takes. */
const BODY_BYTES = 400;
const PATIENCE_MS = 120_000;

/** Signed deliveries a second against bare posts, and a receiver that never answers beside one that does. */
export async function webhooks(lab) {
  await lab.postgres.createDatabase(DATABASE);
  const receiver = await WebhookReceiver.start();
  const settings = {
    PERDURE_SECRET_KEY: randomBytes(32).toString('base64'),
    PERDURE_PUSH_ALLOW: '127.0.0.1',
  };
  try {
    return await lab.withServer('perdure', (server) => new Webhooks(lab, server, receiver).measure(), {
      database: DATABASE,
      settings,
    });
  } finally {
    receiver.close();
  }
}

class Webhooks {
  constructor(lab, server, receiver) {
    Object.assign(this, { lab, server, receiver });
  }

  async measure() {
    const rate = await this.deliveryRate();
    const pairs = await this.besideTheHole();
    const changes = Object.fromEntries(
      ['p50', 'p99'].map((key) => [key, spread(pairs.map(({ alone, beside }) => beside[key] / alone[key]))]),
    );
    return {
      title: 'Webhooks',
      text: [
        `${whole(rate.tasks)} echo tasks with a webhook each, whose ${whole(rate.events)} events are delivered ${rate.rounds} times over, to a receiver on the same two cores that answers at once: read, signed, posted, and written down as delivered. In turn with it, as many bare posts over ${CONNECTIONS} connections, by the same HTTP client, with nothing else. Medians (min–max).`,
        `Then a tenant sends ${LIGHT_RATE} tasks a second, each with a webhook at the receiver that answers, alone and beside another tenant's endpoint, which takes connections and never answers, with ${whole(pairs[0].queued)} events in its queue: ${pairs.length} pairs, in turn one or the other first, each with the breaker of that endpoint closed at its beginning. Milliseconds from an event's own time to its arrival.`,
      ],
      tables: [rateTable(rate), holeTable(pairs, changes)],
      bars: [
        { name: 'deliveries without a signature', value: String(rate.unsigned), bar: '0', met: rate.unsigned === 0 },
        changeBar(changes.p99.median),
      ],
      facts: {},
    };
  }

  /** Has the same events delivered again and again, in turn with bare posts. */
  async deliveryRate() {
    const { tasks, rounds } = this.lab.durations.isQuick ? QUICK_RATE : RATE;
    await this.send('rate', this.receiver.url, tasks);
    await this.untilDelivered('rate');
    const rows = [];
    for (let round = 0; round < rounds; round++) {
      await this.receiver.reset();
      await this.sql(`update perdure.push_deliveries set state = 0, settled_at = null where tenant_id = 'rate'`);
      await this.untilDelivered('rate');
      const ours = await this.receiver.report();
      await this.receiver.reset();
      await execute(process.execPath, [BARE_POSTS, this.receiver.url, ours.requests, CONNECTIONS, BODY_BYTES]);
      rows.push({ ours, bare: await this.receiver.report() });
    }
    const of = (which) => spread(rows.map((row) => row[which].perSecond));
    const ratio = spread(rows.map(({ ours, bare }) => ours.perSecond / bare.perSecond));
    const unsigned = rows.reduce((sum, { ours }) => sum + ours.unsigned, 0);
    return { tasks, rounds, events: rows[0].ours.events, ours: of('ours'), bare: of('bare'), ratio, unsigned };
  }

  /** Deliveries of a light tenant with and without another one's events in a hole. */
  async besideTheHole() {
    const { events, pairs, measureMs } = this.lab.durations.isQuick ? QUICK_HOLE : HOLE;
    const perTask = await this.eventsPerTask();
    await this.send('hole', this.receiver.holeUrl, Math.ceil(events / perTask));
    await this.alone(measureMs);
    const results = [];
    for (let pair = 0; pair < pairs; pair++) {
      // What grows meanwhile, such as the tables, is for neither of the two.
      const order = pair % 2 === 0 ? ['alone', 'beside'] : ['beside', 'alone'];
      const result = {};
      for (const which of order) result[which] = await this[which](measureMs);
      const queued = await this.queuedEvents();
      if (queued < events) throw new Error(`only ${queued} events were queued`);
      results.push({ ...result, queued });
    }
    return results;
  }

  async alone(measureMs) {
    await this.closeHole();
    return this.light(measureMs);
  }

  async beside(measureMs) {
    await this.closeHole();
    await this.openHole();
    return this.light(measureMs);
  }

  async queuedEvents() {
    const [{ queued }] = await this.sql(
      `select count(*)::int as queued from perdure.push_deliveries where tenant_id = 'hole' and state < 2`,
    );
    return queued;
  }

  async light(measureMs) {
    await this.untilDelivered('light');
    await this.receiver.reset();
    const job = { ...sending('light', this.receiver.url), kind: 'open loop', connections: 32, rate: LIGHT_RATE };
    const { failures, unsent, refused } = await this.lab.load.run({ ...job, port: this.server.port, measureMs });
    const faults = Object.keys(failures);
    if (faults.length > 0 || unsent + refused > 0) throw new Error(`cannot send: ${faults[0] ?? 'too slow'}`);
    await this.untilDelivered('light');
    const { latencies } = await this.receiver.report();
    return { count: latencies.length, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
  }

  /** Nothing goes there any more, and nothing of it is under way. */
  async closeHole() {
    await this.sql(
      `insert into perdure.push_endpoints (tenant_id, endpoint, disabled_at) values ('hole', $1, now())
      on conflict (tenant_id, endpoint) do update set disabled_at = now()`,
      [this.receiver.holeUrl],
    );
    for (const limit = Date.now() + PATIENCE_MS; ; await delay(50)) {
      await this.receiver.release();
      const busy = await this.sql(`select from perdure.push_lanes where tenant_id = 'hole' and stage > 0`);
      if (busy.length === 0) return;
      if (Date.now() > limit) throw new Error('the hole does not come to rest');
    }
  }

  /** As if nothing had ever failed there. */
  async openHole() {
    await this.sql(`update perdure.push_deliveries set failures = 0, next_at = null where tenant_id = 'hole'`);
    await this.sql(`update perdure.push_lanes set due_at = now() where tenant_id = 'hole'`);
    await this.sql(`delete from perdure.push_endpoints where tenant_id = 'hole'`);
  }

  async send(tenant, url, times) {
    const job = { ...sending(tenant, url), connections: 16, times };
    const { errors, firstError } = await this.lab.measure(this.server, job);
    if (errors > 0) throw new Error(`cannot send: ${firstError}`);
  }

  async eventsPerTask() {
    const [{ events }] = await this.sql(
      `select max(last_sequence) as events from perdure.tasks where tenant_id = 'rate'`,
    );
    return events;
  }

  async untilDelivered(tenant) {
    const open = 'select from perdure.push_deliveries where tenant_id = $1 and state < 2 limit 1';
    for (const limit = Date.now() + PATIENCE_MS; (await this.sql(open, [tenant])).length > 0; await delay(20)) {
      if (Date.now() > limit) throw new Error(`the webhooks of ${tenant} do not arrive`);
    }
  }

  sql(text, values) {
    return this.lab.postgres.query(DATABASE, text, values);
  }
}

function sending(tenant, url) {
  const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'Hello' }] };
  const params = { message, configuration: { taskPushNotificationConfig: { url } } };
  const call = { exchange: 'rpc', path: `/agents/echo/${tenant}`, method: 'SendMessage' };
  return { ...call, params, contains: 'TASK_STATE_COMPLETED' };
}

function rateTable({ ours, bare, ratio }) {
  const cell = ({ min, median, max }, text) => `${text(median)} (${text(min)}–${text(max)})`;
  return {
    columns: ['deliveries/s', 'bare posts/s', 'ratio'],
    rows: [[cell(ours, whole), cell(bare, whole), cell(ratio, factor)]],
  };
}

function holeTable(pairs, changes) {
  const rows = pairs.map(({ alone, beside }, index) => [
    ...[index + 1, whole(alone.count), milliseconds(alone.p50), milliseconds(beside.p50)],
    ...[milliseconds(alone.p99), milliseconds(beside.p99)],
  ]);
  const range = ({ min, median, max }) => `${factor(min)} – **${factor(median)}** – ${factor(max)}`;
  rows.push(['factor', '', '', range(changes.p50), '', range(changes.p99)]);
  const columns = ['pair', 'events', 'p50 ms alone', 'beside the hole', 'p99 ms alone', 'beside the hole'];
  return { columns, rows };
}

function changeBar(change) {
  return {
    name: 'p99 of a delivery beside an endpoint that never answers',
    value: `${change < 1 ? '−' : '+'}${percent(Math.abs(change - 1))}`,
    bar: '< +10 %',
    met: change < 1.1,
  };
}
