import { setTimeout as delay } from 'node:timers/promises';
import { milliseconds, whole } from '../numbers.mjs';
import { percentile } from '../statistics.mjs';

const DATABASE = 'perdure_recovery';
const KILLS = 100;
const RESTARTS = 10;
/** Tasks that a process is given before it is killed or drained; the one that stays gets as many. */
const TASKS = 5;
/** Of 100 ms each: a task takes 3 s, and is under way when its process goes. */
const STEPS = 30;
const DRAIN_MS = 500;
/** How far the tasks have come when their process is killed; the next kill is that much into their successors' time. */
const HEAD_START_MS = 700;
const POLL_MS = 20;
const PATIENCE_MS = 120_000;
const RESUME_BAR_MS = 10_000;

/** Two processes under load, of which one is killed again and again, and then restarted with a drain. */
export async function recovery(lab) {
  const share = lab.durations.isQuick ? 0.1 : 1;
  await lab.postgres.createDatabase(DATABASE);
  return lab.withServer(
    'perdure',
    async (survivor) => {
      const kills = await killAgain(lab, survivor, KILLS * share);
      const drains = await restartAgain(lab, survivor, Math.ceil(RESTARTS * share));
      return section(kills, drains);
    },
    { database: DATABASE },
  );
}

async function killAgain(lab, survivor, kills) {
  const watch = new ResumeWatch(lab);
  let sent = 0;
  for (let kill = 1; kill <= kills; kill++) {
    const victim = await lab.startServer('perdure', { database: DATABASE });
    for (const server of [survivor, victim]) sent += await send(lab, server, TASKS);
    await delay(HEAD_START_MS);
    const held = await heldBy(lab, victim);
    const killedAt = Date.now();
    await victim.kill();
    await lab.stopServer(victim);
    watch.add(held, killedAt);
    if (kill % 10 === 0) console.error(`${kill} kills, ${watch.times.length} of ${watch.killed} runs taken over`);
  }
  const resumed = await watch.all();
  await untilCompleted(lab, sent);
  return { kills, sent, ...resumed };
}

/** Notes when each task whose process was killed has its next commit: by another run, whose token is higher. */
class ResumeWatch {
  /** From the last kill, and from the first of several that hit a task before it got anywhere. */
  times = [];
  timesOfSeveral = [];
  killed = 0;
  #waiting = new Map();
  #ended = false;
  #watching;

  constructor(lab) {
    this.#watching = lab.postgres.connected(DATABASE, (client) => this.#watch(client));
  }

  /** Tasks as `heldBy` gives them. */
  add(tasks, killedAt) {
    for (const { id, token } of tasks) {
      const firstKilledAt = this.#waiting.get(id)?.firstKilledAt ?? killedAt;
      if (firstKilledAt === killedAt) this.killed++;
      this.#waiting.set(id, { token, killedAt, firstKilledAt });
    }
  }

  /** Resolves with the milliseconds of all, when all have gone on. */
  async all() {
    this.#ended = true;
    await this.#watching;
    return { times: this.times, timesOfSeveral: this.timesOfSeveral };
  }

  async #watch(client) {
    for (let patience = Infinity; this.#waiting.size > 0 || !this.#ended; await delay(POLL_MS)) {
      const { rows } = await client.query(GONE_ON, [[...this.#waiting.keys()]]);
      for (const { id, token, at } of rows) {
        const { token: old, killedAt, firstKilledAt } = this.#waiting.get(id);
        // A claim alone leaves the time of the last commit as it was.
        if (token <= old || at.getTime() <= killedAt) continue;
        this.times.push(at.getTime() - killedAt);
        if (firstKilledAt < killedAt) this.timesOfSeveral.push(at.getTime() - firstKilledAt);
        this.#waiting.delete(id);
      }
      if (this.#ended) patience = Math.min(patience, Date.now() + PATIENCE_MS);
      if (Date.now() > patience) throw new Error(`${this.#waiting.size} tasks of killed processes do not go on`);
    }
  }
}

const GONE_ON = `
  select id, lease_token::int as token, last_modified as at from perdure.tasks where id = any($1::uuid[])`;

/** Restarts a process with a drain that is shorter than its tasks; answers with what that has cost them. */
async function restartAgain(lab, survivor, restarts) {
  const before = await counted(lab);
  let sent = 0;
  let handedBack = 0;
  const settings = { PERDURE_DRAIN: `${DRAIN_MS}ms` };
  for (let restart = 1; restart <= restarts; restart++) {
    const drained = await lab.startServer('perdure', { database: DATABASE, settings });
    for (const server of [survivor, drained]) sent += await send(lab, server, TASKS);
    await delay(HEAD_START_MS);
    handedBack += (await heldBy(lab, drained)).length;
    await lab.stopServer(drained);
  }
  await untilCompleted(lab, before.tasks + sent);
  const after = await counted(lab);
  return { restarts, handedBack, attempts: after.attempts - before.attempts, lost: after.lost - before.lost };
}

function section({ kills, sent, times, timesOfSeveral }, { restarts, handedBack, attempts, lost }) {
  const p99 = percentile(times, 0.99);
  return {
    title: `${whole(kills)} kills of a worker process`,
    text: [
      `Two processes on one database, with the default lease of 5 s; one of them is killed with SIGKILL ${HEAD_START_MS} ms after it has got ${TASKS} tasks, and started again. From the kill to the next commit of each task that it ran; for those that the next kill hit before that (${timesOfSeveral.length}), from the last one, and ${milliseconds(Math.max(0, ...timesOfSeveral))} ms at most from the first. All of the ${whole(sent)} tasks completed.`,
      `Then ${restarts} restarts with SIGTERM and a drain of ${DRAIN_MS} ms, which is shorter than the tasks that were under way.`,
    ],
    tables: [
      {
        columns: ['kills', 'runs killed', 'resumed after p50 ms', 'p99 ms', 'max ms'],
        rows: [
          [whole(kills), whole(times.length), ...[percentile(times, 0.5), p99, Math.max(...times)].map(milliseconds)],
        ],
      },
      {
        columns: ['drained restarts', 'runs under way', 'attempts burned', 'workers counted as lost'],
        rows: [[restarts, handedBack, attempts, lost]],
      },
    ],
    bars: [
      {
        name: 'p99 from a kill to the next commit of a task',
        value: `${milliseconds(p99)} ms`,
        bar: `< ${whole(RESUME_BAR_MS)} ms`,
        met: p99 < RESUME_BAR_MS,
      },
      {
        name: 'attempts burned by drained restarts',
        value: String(attempts + lost),
        bar: '0',
        met: attempts + lost === 0 && handedBack > 0,
      },
    ],
  };
}

async function send(lab, server, times) {
  const message = { messageId: 'steps', role: 'ROLE_USER', parts: [{ text: String(STEPS) }] };
  const params = { message, configuration: { returnImmediately: true } };
  const call = { exchange: 'rpc', path: '/agents/steps', method: 'SendMessage', params, contains: 'TASK_STATE_' };
  const { errors, firstError } = await lab.measure(server, { ...call, times });
  if (errors > 0) throw new Error(`cannot send: ${firstError}`);
  return times;
}

/** What runs in the process now: ids and lease tokens. */
function heldBy(lab, { pid }) {
  return lab.postgres.query(
    DATABASE,
    `select id, lease_token::int as token from perdure.tasks where lease_owner like $1 and state <> 3`,
    [`%/${pid}/%`],
  );
}

async function counted(lab) {
  const [row] = await lab.postgres.query(
    DATABASE,
    'select count(*)::int as tasks, sum(attempt)::int as attempts, sum(lost)::int as lost from perdure.tasks',
  );
  return row;
}

async function untilCompleted(lab, count) {
  await lab.postgres.connected(DATABASE, async (client) => {
    for (const limit = Date.now() + PATIENCE_MS; ; await delay(100)) {
      const { rows } = await client.query('select count(*)::int as ended from perdure.tasks where state = 3');
      if (rows[0].ended === count) return;
      if (Date.now() > limit) throw new Error(`${rows[0].ended} of ${count} tasks have completed`);
    }
  });
}
