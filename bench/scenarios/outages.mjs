import { setTimeout as delay } from 'node:timers/promises';
import { PERDURE_DATABASE } from '../laboratory.mjs';
import { factor, whole } from '../numbers.mjs';
import { median } from '../statistics.mjs';

const MEASUREMENTS = 3;
const OUTAGES_MS = 60_000;
const QUICK_OUTAGES_MS = 15_000;
/** Between two backends that are ended, and between two restarts. */
const TERMINATION_PAUSE_MS = 200;
const RESTART_PAUSE_MS = 10_000;
const PATIENCE_MS = 30_000;
const ECHO = { exchange: 'echo', path: '/agents/echo', connections: 64 };

/** Blocking sends before, during and after a minute in which Postgres is restarted and backends of the server are ended at random. */
export async function outages(lab) {
  return lab.withServer('perdure', async (server) => {
    await measured(lab, server);
    const before = await medianRate(lab, server);
    const outage = await disturbed(lab, server);
    const open = await openTasks(lab);
    const after = await medianRate(lab, server);
    const { perSecond, errors, terminated, restarts } = outage;
    return {
      title: 'Postgres restarted and backends ended at random, under load',
      text: [
        `Blocking sends over 64 connections; in between ${terminated} backends of the server were ended and Postgres was restarted ${restarts} times. The server is the same process all along.`,
      ],
      tables: [
        {
          columns: ['', 'sends/s', 'errors'],
          rows: [
            ['before', whole(before.perSecond), before.errors],
            ['meanwhile', whole(perSecond), errors],
            ['after', whole(after.perSecond), after.errors],
          ],
        },
      ],
      bars: [
        {
          name: 'sends/s after the outages against before',
          value: `${factor(after.perSecond / before.perSecond)} ×`,
          bar: '≥ 0.95 ×',
          met: after.perSecond >= 0.95 * before.perSecond,
        },
        { name: 'accepted tasks that the outages left open', value: String(open), bar: '0', met: open === 0 },
      ],
      facts: {},
    };
  });
}

async function medianRate(lab, server) {
  const runs = [];
  for (let i = 0; i < MEASUREMENTS; i++) runs.push(await measured(lab, server));
  const errors = runs.reduce((sum, run) => sum + run.errors, 0);
  return { perSecond: median(runs.map((run) => run.perSecond)), errors };
}

async function measured(lab, server) {
  const { taskIds, ...run } = await lab.measure(server, ECHO);
  lab.remember(taskIds);
  return run;
}

async function disturbed(lab, server) {
  const measureMs = lab.durations.isQuick ? QUICK_OUTAGES_MS : OUTAGES_MS;
  const job = { ...ECHO, port: server.port, warmUpMs: 0, measureMs, maxErrors: Infinity };
  const disturbances = disturb(lab, performance.now() + measureMs);
  const { taskIds, perSecond, errors } = await lab.load.run(job);
  lab.remember(taskIds);
  return { perSecond, errors, ...(await disturbances) };
}

async function disturb({ postgres }, end) {
  const done = { terminated: 0, restarts: 0 };
  let restartAt = performance.now() + RESTART_PAUSE_MS / 2;
  while (performance.now() < end) {
    if (performance.now() >= restartAt) {
      await postgres.restart();
      done.restarts++;
      restartAt = performance.now() + RESTART_PAUSE_MS;
    }
    done.terminated += (await postgres.query(PERDURE_DATABASE, TERMINATE)).length;
    await delay(TERMINATION_PAUSE_MS);
  }
  return done;
}

const TERMINATE = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where application_name like 'perdure%' and random() < 0.2`;

/** How many tasks are still open when all have had their time. */
async function openTasks({ postgres }) {
  for (const end = performance.now() + PATIENCE_MS; ; await delay(100)) {
    const [{ open }] = await postgres.query(PERDURE_DATABASE, OPEN);
    if (open === 0 || performance.now() > end) return open;
  }
}

const OPEN = 'select count(*)::int as open from perdure.tasks where state not in (3, 4, 5, 7)';
