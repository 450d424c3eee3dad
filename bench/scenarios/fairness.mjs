import { setTimeout as delay } from 'node:timers/promises';
import { milliseconds, whole } from '../numbers.mjs';

const DATABASE = 'perdure_fairness';
const EQUAL_DATABASE = 'perdure_equals';
const SLOTS = 20;
const RUN_MS = 50;
const HEAVY_TASKS = 20_000;
const LIGHT_CONNECTIONS = 2;
const TENANTS = Array.from({ length: 10 }, (_, i) => `equal-${i + 1}`);
const SCHEDULING = 'https://perdure.dev/extensions/scheduling/v1';
const LOADING_CONNECTIONS = 16;
/** Normal and quick: tasks of each equal tenant, from their sending until they are due, and for how long they are watched. */
const EQUAL = { tasks: 400, dueMs: 15_000, watchMs: 5_000 };
const QUICK_EQUAL = { tasks: 160, dueMs: 8_000, watchMs: 2_000 };
const QUICK_HEAVY_TASKS = 6_000;
const PATIENCE_MS = 60_000;

/** Tenants that share the slots of one process: a light one beside one with a long queue, and ten equal ones. */
export async function fairness(lab) {
  for (const database of [DATABASE, EQUAL_DATABASE]) await lab.postgres.createDatabase(database);
  const settings = { PERDURE_WORKER_CONCURRENCY: String(SLOTS) };
  const { alone, beside, left, heavy } = await lab.withServer('perdure', (server) => lightBesideHeavy(lab, server), {
    database: DATABASE,
    settings,
  });
  const done = await lab.withServer('perdure', (server) => equalTenants(lab, server), {
    database: EQUAL_DATABASE,
    settings,
  });
  const index = jain(Object.values(done));
  const ratio = (key) => beside[key] / alone[key];
  const row = (name, { p50, p99, answered }) => [
    ...[name, whole(answered), milliseconds(p50), milliseconds(p99)],
    ...[milliseconds(p50 - RUN_MS), milliseconds(p99 - RUN_MS)],
  ];
  const columns = ['light tenant', 'answers', 'p50 ms', 'p99 ms', 'p50 without the run', 'p99 without the run'];
  const factors = ['factor', '', ratio('p50').toFixed(2), ratio('p99').toFixed(2), '', ''];
  return {
    title: 'Tenants that share slots',
    text: [
      `One process with ${SLOTS} slots; every run takes ${RUN_MS} ms. The light tenant sends blocking tasks over ${LIGHT_CONNECTIONS} connections, first alone, then beside a tenant that has queued ${whole(heavy)} tasks, of which ${whole(left)} still waited in the end. Its wait is that of its caller: from the request to the answer, the run included; the last columns have what is beyond the run.`,
      `Then ${TENANTS.length} tenants with equal backlogs that become due together: tasks that each of them had done in one stretch of time, at whose end all of them still waited for more: ${Object.values(done).join(', ')}.`,
    ],
    tables: [{ columns, rows: [row('alone', alone), row('beside the queue', beside), factors] }],
    bars: [
      bar('median wait of a light tenant beside a long queue', ratio('p50')),
      bar('p99 of the wait of a light tenant beside a long queue', ratio('p99')),
      {
        name: `Jain's index over ${TENANTS.length} equal tenants`,
        value: index.toFixed(4),
        bar: '≥ 0.99',
        met: index >= 0.99,
      },
    ],
    facts: {},
  };
}

function bar(name, factor) {
  return { name, value: `${factor.toFixed(2)} ×`, bar: '≤ 2 × alone', met: factor <= 2 };
}

async function lightBesideHeavy(lab, server) {
  const heavy = lab.durations.isQuick ? QUICK_HEAVY_TASKS : HEAVY_TASKS;
  const light = { ...sending('light'), connections: LIGHT_CONNECTIONS };
  const alone = await lab.measure(server, light);
  const queued = await lab.measure(server, { ...queueing('heavy'), times: heavy });
  if (queued.errors > 0) throw new Error(`cannot queue: ${queued.firstError}`);
  const beside = await lab.measure(server, light);
  const left = (await tasksByTenant(lab, DATABASE, 'state = 1')).heavy ?? 0;
  for (const { errors, firstError } of [alone, beside]) if (errors > 0) throw new Error(`cannot send: ${firstError}`);
  if (left === 0) throw new Error('the queue was empty before the light tenant was measured');
  return { alone, beside, left, heavy };
}

/** How many tasks each tenant had done in the same stretch of time. */
async function equalTenants(lab, server) {
  const { tasks, dueMs, watchMs } = lab.durations.isQuick ? QUICK_EQUAL : EQUAL;
  const startAt = new Date(Date.now() + dueMs).toISOString();
  for (const tenant of TENANTS) {
    const { errors, firstError } = await lab.measure(server, { ...queueing(tenant, { startAt }), times: tasks });
    if (errors > 0) throw new Error(`cannot queue: ${firstError}`);
  }
  if (Date.now() > Date.parse(startAt)) throw new Error('queueing took longer than until the tasks were due');
  await until(async () => Object.keys(await tasksByTenant(lab, EQUAL_DATABASE, 'state = 3')).length === TENANTS.length);
  const before = await tasksByTenant(lab, EQUAL_DATABASE, 'state = 3');
  await delay(watchMs);
  const [after, waiting] = [
    await tasksByTenant(lab, EQUAL_DATABASE, 'state = 3'),
    await tasksByTenant(lab, EQUAL_DATABASE, 'state = 1'),
  ];
  const idle = TENANTS.filter((tenant) => !waiting[tenant]);
  if (idle.length > 0) throw new Error(`no task of ${idle.join(', ')} waited any more`);
  return Object.fromEntries(TENANTS.map((tenant) => [tenant, after[tenant] - before[tenant]]));
}

function sending(tenant) {
  const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: String(RUN_MS) }] };
  const call = { exchange: 'rpc', path: `/agents/pause/${tenant}`, method: 'SendMessage' };
  return { ...call, params: { message }, contains: 'TASK_STATE_COMPLETED' };
}

function queueing(tenant, schedule) {
  const { params, ...call } = sending(tenant);
  const metadata = schedule && { [SCHEDULING]: schedule };
  const queued = { ...params, metadata, configuration: { returnImmediately: true } };
  return { ...call, params: queued, contains: 'TASK_STATE_', connections: LOADING_CONNECTIONS };
}

async function tasksByTenant(lab, database, condition) {
  const rows = await lab.postgres.query(
    database,
    `select tenant_id, count(*)::int as n from perdure.tasks where ${condition} group by 1`,
  );
  return Object.fromEntries(rows.map(({ tenant_id, n }) => [tenant_id, n]));
}

async function until(holds) {
  for (const limit = Date.now() + PATIENCE_MS; !(await holds()); await delay(20)) {
    if (Date.now() > limit) throw new Error('the tenants do not get their turns');
  }
}

/** 1 where all have the same, 1/n where one has everything. */
function jain(values) {
  const sum = values.reduce((a, b) => a + b, 0);
  return sum ** 2 / (values.length * values.reduce((a, b) => a + b * b, 0));
}
