import { setTimeout as delay } from 'node:timers/promises';
import { milliseconds, whole } from '../numbers.mjs';

const DATABASE = 'perdure_sleeping';
const TASKS = 10_000;
const QUICK_TASKS = 1_000;
/** How far ahead the time is to which they sleep: longer than it takes to send them all, and to look at them. */
const SLEEP_MS = 30_000;
const MEBIBYTE = 1_024 * 1_024;
const MEMORY_BAR_MIB = 50;
const FIRE_BAR_MS = 10_000;
const PATIENCE_MS = 120_000;

/** Many tasks that sleep: what they cost a process, and how soon they go on when it has slept past their time itself. */
export async function sleeping(lab) {
  const tasks = lab.durations.isQuick ? QUICK_TASKS : TASKS;
  await lab.postgres.createDatabase(DATABASE);
  const { idle, asleep, due } = await fallAsleep(lab, tasks);
  await delay(Math.max(0, due - Date.now()));
  const fired = await wakeUp(lab, tasks);
  const grown = (asleep - idle) / MEBIBYTE;
  const rows = [
    ['memory of the idle process, MiB', whole(idle / MEBIBYTE)],
    [`with ${whole(tasks)} tasks asleep`, whole(asleep / MEBIBYTE)],
    ['first task done after the restart, ms', milliseconds(fired.first)],
    ['half of them', milliseconds(fired.half)],
    ['all of them', milliseconds(fired.last)],
  ];
  return {
    title: `${whole(tasks)} sleeping tasks`,
    text: [
      'Resident memory after a garbage collection; idle: after as many tasks that do not sleep. All sleep to the same time, and the server is started after it: milliseconds from its first answer to the end of the tasks, by their own timestamps.',
    ],
    tables: [{ columns: ['', 'measured'], rows }],
    bars: [
      {
        name: `memory of ${whole(tasks)} sleeping tasks`,
        value: `${grown.toFixed(1)} MiB`,
        bar: `< ${MEMORY_BAR_MIB} MiB`,
        met: grown < MEMORY_BAR_MIB,
      },
      {
        name: `${whole(tasks)} timers that are past at a restart have fired after`,
        value: `${milliseconds(fired.last)} ms`,
        bar: `< ${whole(FIRE_BAR_MS)} ms`,
        met: fired.last < FIRE_BAR_MS,
      },
    ],
  };
}

async function fallAsleep(lab, tasks) {
  const options = { database: DATABASE, nodeArgs: ['--expose-gc'] };
  return lab.withServer(
    'perdure',
    async (server) => {
      await send(lab, server, tasks, new Date(0));
      await until(lab, tasks, 'state = 3');
      const idle = await memory(server);
      const due = new Date(Date.now() + SLEEP_MS);
      await send(lab, server, tasks, due);
      await until(lab, tasks, 'state <> 3 and lease_owner is null and run_at > now()');
      return { idle, asleep: await memory(server), due: due.getTime() };
    },
    options,
  );
}

/** Milliseconds from the first answer of a server until the first task has ended, half of them have, and all. */
async function wakeUp(lab, tasks) {
  return lab.withServer(
    'perdure',
    async () => {
      const startedAt = Date.now();
      await until(lab, 2 * tasks, 'state = 3');
      const [times] = await lab.postgres.query(
        DATABASE,
        `select min(at) as first, percentile_disc(0.5) within group (order by at) as half, max(at) as last
         from (select status_timestamp as at from perdure.tasks where agent = 'sleeper' order by created_at desc limit $1) woken`,
        [tasks],
      );
      return Object.fromEntries(Object.entries(times).map(([name, at]) => [name, at.getTime() - startedAt]));
    },
    { database: DATABASE },
  );
}

async function send(lab, server, times, due) {
  const message = { messageId: 'sleep', role: 'ROLE_USER', parts: [{ text: due.toISOString() }] };
  const params = { message, configuration: { returnImmediately: true } };
  const call = { exchange: 'rpc', path: '/agents/sleeper', method: 'SendMessage', params, contains: 'TASK_STATE_' };
  const { errors, firstError } = await lab.measure(server, { ...call, connections: 32, times });
  if (errors > 0) throw new Error(`cannot send: ${firstError}`);
}

async function memory(server) {
  const message = { messageId: 'collect', role: 'ROLE_USER', parts: [{ text: 'now' }] };
  const response = await fetch(`http://127.0.0.1:${server.port}/agents/memory`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message } }),
  });
  const { result } = await response.json();
  return parseInt(result.task.status.message.parts[0].text, 10);
}

async function until(lab, count, condition) {
  const text = `select count(*)::int as found from perdure.tasks where agent = 'sleeper' and ${condition}`;
  await lab.postgres.connected(DATABASE, async (client) => {
    for (const limit = Date.now() + PATIENCE_MS; ; await delay(100)) {
      const { rows } = await client.query(text);
      if (rows[0].found === count) return;
      if (Date.now() > limit) throw new Error(`${rows[0].found} of ${count} tasks are as expected: ${condition}`);
    }
  });
}
