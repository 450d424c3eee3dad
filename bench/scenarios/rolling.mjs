import { setTimeout as delay } from 'node:timers/promises';
import { migrateQueue } from '#platform';
import { migrate } from '#store';
import { milliseconds, whole } from '../numbers.mjs';
import { percentile } from '../statistics.mjs';

const DATABASE = 'perdure_rolling';
const ROUNDS = 3;
const QUICK_ROUNDS = 1;
const SENDERS = 8;
const STREAMERS = 8;
/** Of 100 ms each. */
const SEND_STEPS = 3;
const STREAM_STEPS = 30;
/** How often clients look which servers are ready, and how long a server that goes gives them. */
const LOOK_MS = 100;
const SHUTDOWN_DELAY_MS = 1_000;
/** Shorter than a run, so that runs are handed back. */
const WORKER_DRAIN_MS = 100;
const GOODBYE = 'server is shutting down';

/** Two servers and two workers under load, of which one after the other is stopped with SIGTERM and replaced. */
export async function rolling(lab) {
  const url = await lab.postgres.createDatabase(DATABASE);
  await migrate(url);
  await migrateQueue(url);
  const fleet = await Fleet.start(lab);
  const clients = new Clients(fleet);
  clients.start();
  await fleet.replaceAll(lab.durations.isQuick ? QUICK_ROUNDS : ROUNDS);
  await clients.stop();
  const [counts] = await lab.postgres.query(DATABASE, COUNTS);
  await fleet.stop();
  return section(fleet, clients, counts);
}

const COUNTS = `
  select count(*)::int as tasks, count(*) filter (where state <> 3)::int as open, sum(attempt + lost)::int as burned
  from perdure.tasks`;

/** The processes, and which of the servers clients know to be ready. */
class Fleet {
  ready = [];
  restarts = 0;
  #lab;
  #processes = { server: [], worker: [] };
  #turn = 0;
  #watching = new AbortController();

  static async start(lab) {
    const fleet = new Fleet();
    fleet.#lab = lab;
    const start = async (role) => void fleet.#processes[role].push(await fleet.#startProcess(role));
    await Promise.all(['server', 'server', 'worker', 'worker'].map(start));
    void fleet.#watch();
    while (fleet.ready.length < 2) await delay(LOOK_MS);
    return fleet;
  }

  /** The port of the next server that is ready. */
  pick() {
    return this.ready[this.#turn++ % this.ready.length].port;
  }

  async replaceAll(rounds) {
    for (let round = 0; round < rounds; round++) {
      for (const group of Object.values(this.#processes)) {
        for (let i = 0; i < group.length; i++) await this.#replace(group, i);
      }
    }
  }

  async stop() {
    this.#watching.abort();
    for (const process of Object.values(this.#processes).flat()) await this.#lab.stopServer(process);
  }

  /** As orchestrators do it: a new one is there before an old one is told to go. */
  async #replace(group, i) {
    const old = group[i];
    const role = group === this.#processes.server ? 'server' : 'worker';
    const next = await this.#startProcess(role);
    group.push(next);
    while (role === 'server' && !this.ready.includes(next)) await delay(LOOK_MS);
    await this.#lab.stopServer(old);
    group.splice(group.indexOf(next), 1);
    group[i] = next;
    this.restarts++;
  }

  #startProcess(role) {
    const own =
      role === 'server'
        ? { PERDURE_SHUTDOWN_DELAY: `${SHUTDOWN_DELAY_MS}ms` }
        : { PERDURE_DRAIN: `${WORKER_DRAIN_MS}ms` };
    const settings = { PERDURE_ROLE: role, ...own };
    return this.#lab.startServer('perdure', { database: DATABASE, settings, probe: '/health/ready' });
  }

  async #watch() {
    while (!this.#watching.signal.aborted) {
      const servers = [...this.#processes.server];
      const answers = await Promise.all(servers.map(({ port }) => isReady(port)));
      this.ready = servers.filter((_, i) => answers[i]);
      await delay(LOOK_MS);
    }
  }
}

async function isReady(port) {
  const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
  return response?.ok ?? false;
}

/** Clients that send and follow tasks, one after the other, until they are stopped. */
class Clients {
  failures = [];
  times = [];
  streams = 0;
  reconnects = 0;
  #fleet;
  #clients = [];
  #isOver = false;

  constructor(fleet) {
    this.#fleet = fleet;
  }

  start() {
    for (let i = 0; i < SENDERS; i++) this.#clients.push(this.#repeat(() => this.#send()));
    for (let i = 0; i < STREAMERS; i++) this.#clients.push(this.#repeat(() => this.#follow()));
  }

  async stop() {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async #repeat(call) {
    while (!this.#isOver) {
      await call().catch((error) => {
        this.failures.push(String(error.cause ?? error));
        return delay(LOOK_MS);
      });
    }
  }

  async #send() {
    const began = performance.now();
    const response = await this.#post('SendMessage', sendParams(SEND_STEPS));
    const text = await response.text();
    if (!text.includes('TASK_STATE_COMPLETED')) throw new Error(`a send was answered ${response.status} ${text}`);
    this.times.push(performance.now() - began);
  }

  async #follow() {
    let response = await this.#post('SendStreamingMessage', sendParams(STREAM_STEPS));
    let id;
    let last = 0;
    for (;;) {
      const text = await response.text();
      if (!response.ok) throw new Error(`a stream was answered ${response.status} ${text}`);
      for (const [, number] of text.matchAll(/^id: (\d+)$/gm)) {
        if (Number(number) !== ++last) throw new Error(`event ${number} came where ${last} was due`);
      }
      if (text.includes('TASK_STATE_COMPLETED')) break;
      if (!text.includes(GOODBYE)) throw new Error('a stream ended without a word');
      this.reconnects++;
      id ??= /"task":\{"id":"([^"]+)"/.exec(text)[1];
      response = await this.#post('SubscribeToTask', { id }, { 'last-event-id': String(last) });
    }
    this.streams++;
  }

  #post(method, params, headers = {}) {
    return fetch(`http://127.0.0.1:${this.#fleet.pick()}/agents/steps`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
  }
}

function sendParams(steps) {
  return { message: { messageId: 'rolling', role: 'ROLE_USER', parts: [{ text: String(steps) }] } };
}

function section(fleet, clients, { tasks, open, burned }) {
  const { failures, times, streams, reconnects } = clients;
  const zero = (name, value) => ({ name, value: String(value), bar: '0', met: value === 0 && times.length > 0 });
  return {
    title: 'Rolling restart under load',
    text: [
      `Two servers and two workers; ${SENDERS} clients send tasks of ${SEND_STEPS * 100} ms and wait, ${STREAMERS} follow tasks of ${STREAM_STEPS * 100} ms, each at a server that was ready ${LOOK_MS} ms ago at most, and repeat nothing. Each process is stopped with SIGTERM behind its successor: servers announce it for ${SHUTDOWN_DELAY_MS} ms (PERDURE_SHUTDOWN_DELAY), workers have ${WORKER_DRAIN_MS} ms for their runs (PERDURE_DRAIN), which is less than those take.`,
      ...failures.slice(0, 3).map((failure) => `Failed: ${failure.slice(0, 200)}`),
    ],
    tables: [
      {
        columns: ['restarts', 'tasks', 'sends', 'p50 ms', 'p99 ms', 'streams', 'clean reconnects'],
        rows: [
          [
            ...[whole(fleet.restarts), whole(tasks), whole(times.length)],
            ...[milliseconds(percentile(times, 0.5)), milliseconds(percentile(times, 0.99))],
            ...[whole(streams), whole(reconnects)],
          ],
        ],
      },
    ],
    bars: [
      zero('requests that a rolling restart failed', failures.length),
      zero('attempts that a rolling restart burned', burned),
      zero('tasks that a rolling restart left open', open),
    ],
    facts: {},
  };
}
