import { setTimeout as delay } from 'node:timers/promises';
import { PERDURE_DATABASE } from '../laboratory.mjs';
import { factor, whole } from '../numbers.mjs';
import { median } from '../statistics.mjs';

const ROUNDS = 5;
const OUTAGES_MS = 60_000;
const QUICK_OUTAGES_MS = 15_000;
/** Between two backends that are ended, and between two restarts. */
const TERMINATION_PAUSE_MS = 200;
const RESTART_PAUSE_MS = 10_000;
const PATIENCE_MS = 30_000;
const ECHO = { exchange: 'echo', path: '/agents/echo', connections: 64 };

/** Blocking sends during and after a minute in which Postgres is restarted and backends of the server are ended at random. */
export async function outages(lab) {
  return lab.withServer('perdure', async (server) => {
    await measured(lab, server);
    const outage = await disturbed(lab, server);
    const open = await openTasks(lab);
    const { survivor, fresh, ratio } = await lab.withServer('perdure', (other) => compared(lab, server, other));
    const { perSecond, errors, terminated, restarts } = outage;
    return {
      title: 'Postgres restarted and backends ended at random, under load',
      text: [
        `Blocking sends over 64 connections; meanwhile ${terminated} backends of the server were ended and Postgres was restarted ${restarts} times. Afterwards the same process and a new one on the same database in turns, ${ROUNDS} rounds: so what else differs between before and after, such as the machine and the size of the tables, is the same for both.`,
      ],
      tables: [
        {
          columns: ['', 'sends/s', 'errors'],
          rows: [
            ['meanwhile', whole(perSecond), errors],
            ['afterwards', whole(survivor.perSecond), survivor.errors],
            ['a new process', whole(fresh.perSecond), fresh.errors],
          ],
        },
      ],
      bars: [
        {
          name: 'sends/s after the outages against a new process',
          value: `${factor(ratio)} ×`,
          bar: '≥ 0.95 ×',
          met: ratio >= 0.95,
        },
        { name: 'accepted tasks that the outages left open', value: String(open), bar: '0', met: open === 0 },
      ],
      facts: {},
    };
  });
}

/** Both in turns; the ratio is the median of the rounds' own. */
async function compared(lab, server, other) {
  await measured(lab, other);
  const runs = { survivor: [], fresh: [] };
  for (let round = 0; round < ROUNDS; round++) {
    runs.survivor.push(await measured(lab, server));
    runs.fresh.push(await measured(lab, other));
  }
  const ratios = runs.survivor.map(({ perSecond }, round) => perSecond / runs.fresh[round].perSecond);
  return { survivor: summary(runs.survivor), fresh: summary(runs.fresh), ratio: median(ratios) };
}

function summary(runs) {
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
