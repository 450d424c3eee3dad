import { setTimeout as delay } from 'node:timers/promises';
import { PERDURE_DATABASE } from '../laboratory.mjs';
import { factor, milliseconds, whole } from '../numbers.mjs';
import { median } from '../statistics.mjs';

const TIMES = 10;
const OVERLOAD_MS = 60_000;
const QUICK_OVERLOAD_MS = 15_000;
/** More than PERDURE_MAX_CALLS, so that the server and not the load generator decides how many calls it has. */
const CONNECTIONS = 4_000;
const LOOK_MS = 500;
const PATIENCE_MS = 60_000;
const FLAT = 1.1;
const ECHO = { exchange: 'echo', path: '/agents/echo' };
const CALM = { ...ECHO, connections: 4, warmUpMs: 0, measureMs: 2_000 };

/** Ten times the sends that one process can take: what it holds meanwhile, what it says, and how it is afterwards. */
export async function overload(lab) {
  return lab.withServer('perdure', async (server) => {
    const capacity = (await measured(lab, server, { ...ECHO, connections: 64 })).perSecond;
    const before = await measured(lab, server, CALM);
    const flood = await flooded(lab, server, capacity * TIMES);
    const recovery = await recovered(lab, server, before);
    const open = await openTasks(lab);
    return {
      title: `${TIMES} times the load that one process can take`,
      text: [
        `Blocking sends at ${whole(capacity * TIMES)}/s for ${whole(flood.seconds)} s over ${whole(CONNECTIONS)} connections, from the same two cores: what comes due while all connections wait for an answer is not sent. Meanwhile /health/live is asked twice a second.`,
      ],
      tables: [floodTable(flood, capacity), recoveryTable(before, recovery)],
      bars: bars(flood, recovery, open),
      facts: {},
    };
  });
}

async function measured(lab, server, job) {
  const { taskIds, ...run } = await lab.measure(server, job);
  lab.remember(taskIds);
  return run;
}

async function flooded(lab, server, rate) {
  const measureMs = lab.durations.isQuick ? QUICK_OVERLOAD_MS : OVERLOAD_MS;
  const looks = [];
  const done = new AbortController();
  const watched = watch(server, looks, done.signal);
  const job = { ...ECHO, kind: 'open loop', port: server.port, connections: CONNECTIONS, rate, measureMs };
  const { taskIds, ...flood } = await lab.load.run(job).finally(() => done.abort());
  lab.remember(taskIds);
  await watched;
  // The first third fills what is bounded.
  const third = Math.floor(looks.length / 3);
  const resident = looks.map(({ mebibytes }) => mebibytes);
  const growth = median(resident.slice(-third)) / median(resident.slice(third, 2 * third));
  const sick = looks.filter(({ isHealthy }) => !isHealthy).length;
  return { ...flood, seconds: measureMs / 1_000, accepted: taskIds.length, growth, peak: Math.max(...resident), sick };
}

/** Looks at the server's memory and asks for its health, twice a second. */
async function watch(server, looks, signal) {
  while (!signal.aborted) {
    const answer = await fetch(`http://127.0.0.1:${server.port}/health/live`).catch(() => undefined);
    await answer?.arrayBuffer();
    looks.push({ mebibytes: server.residentMebibytes, isHealthy: answer?.status === 200 });
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Two seconds at a time, until latency is what it was before. */
async function recovered(lab, server, before) {
  const from = performance.now();
  for (;;) {
    const run = await measured(lab, server, CALM);
    const seconds = (performance.now() - from) / 1_000;
    const isNormal = run.errors === 0 && run.p50 <= before.p50 * 1.5 && run.p99 <= before.p99 * 2;
    if (isNormal || seconds * 1_000 > PATIENCE_MS) return { ...run, seconds, isNormal };
  }
}

/** How many tasks are still open when all have had their time. */
async function openTasks({ postgres }) {
  for (const end = performance.now() + PATIENCE_MS; ; await delay(100)) {
    const [{ open }] = await postgres.query(PERDURE_DATABASE, OPEN);
    if (open === 0 || performance.now() > end) return open;
  }
}

const OPEN = `select count(*)::int as open from perdure.tasks where agent = 'echo' and state not in (3, 4, 5, 7)`;

function floodTable(flood, capacity) {
  const columns = ['', 'in all', 'per second', 'p50 ms', 'p99 ms'];
  const rate = (count) => whole(count / flood.seconds);
  return {
    columns,
    rows: [
      ['could take, before', '', whole(capacity), '', ''],
      ['offered', whole(flood.sent + flood.unsent), rate(flood.sent + flood.unsent), '', ''],
      ['sent', whole(flood.sent), rate(flood.sent), '', ''],
      [
        'accepted and completed',
        whole(flood.accepted),
        rate(flood.accepted),
        milliseconds(flood.p50),
        milliseconds(flood.p99),
      ],
      [
        'refused',
        whole(flood.refused),
        rate(flood.refused),
        milliseconds(flood.refusalP50),
        milliseconds(flood.refusalP99),
      ],
      ...Object.entries(flood.failures).map(([kind, count]) => [kind, whole(count), rate(count), '', '']),
    ],
  };
}

function recoveryTable(before, after) {
  const row = (name, { perSecond, p50, p99 }) => [name, whole(perSecond), milliseconds(p50), milliseconds(p99)];
  return {
    columns: ['over 4 connections', 'sends/s', 'p50 ms', 'p99 ms'],
    rows: [row('before', before), row('afterwards', after)],
  };
}

function bars({ growth, peak, sick, failures }, { seconds, isNormal }, open) {
  const unclear = Object.values(failures).reduce((sum, count) => sum + count, 0);
  return [
    {
      name: `memory under overload, last third of the time against the one before (peak ${whole(peak)} MiB)`,
      value: `${factor(growth)} ×`,
      bar: `≤ ${FLAT} ×`,
      met: growth <= FLAT,
    },
    {
      name: 'answers under overload that are neither a task nor a clear refusal',
      value: String(unclear),
      bar: '0',
      met: unclear === 0,
    },
    { name: 'health checks that failed under overload', value: String(sick), bar: '0', met: sick === 0 },
    { name: 'tasks that the overload left open', value: String(open), bar: '0', met: open === 0 },
    {
      name: 'normal latency after the overload',
      value: `${whole(seconds)} s`,
      bar: '< 60 s',
      met: isNormal && seconds < 60,
    },
  ];
}
