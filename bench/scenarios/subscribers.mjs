import { factor, milliseconds, whole } from '../numbers.mjs';

const SUBSCRIBERS = 1_000;
const EVENTS = 200;
const CHUNK = 200;
const STALLED = 100;
const LARGE_CHUNK = 50_000;
const AGENT = '/agents/herald';

/** One task that many follow at two servers, and readers that take nothing of a large one. */
export async function subscribers(lab) {
  return lab.withServer('perdure', (first) =>
    lab.withServer('perdure', async (second) => {
      const servers = [first, second];
      await followed(lab, servers, { subscribers: 10, size: CHUNK });
      const many = await followed(lab, servers, { subscribers: SUBSCRIBERS, size: CHUNK });
      const alone = await followed(lab, servers, { subscribers: 2, size: LARGE_CHUNK });
      const stalled = await followed(lab, servers, { subscribers: 2, size: LARGE_CHUNK, stalled: STALLED });
      const perReader = Math.max(0, stalled.grown - alone.grown) / STALLED;
      return {
        title: `One task, ${whole(SUBSCRIBERS)} subscribers at two servers`,
        text: [
          `${EVENTS} events, all read and compared. Then ${EVENTS} events of ${whole(LARGE_CHUNK / 1_000)} kB, ${whole((EVENTS * LARGE_CHUNK) / 1e6)} MB in all, with two readers, without and with ${STALLED} others that take nothing.`,
        ],
        tables: [table({ many, alone, stalled })],
        bars: bars(many, perReader),
        facts: {},
      };
    }),
  );
}

/** Follows a task from its first word to its end. */
async function followed(lab, servers, { subscribers: count, size, stalled = 0 }) {
  const [{ port }] = servers;
  const { task } = await call(port, 'SendMessage', {
    message: { messageId: `m-${Date.now()}`, role: 'ROLE_USER', parts: [{ text: `${EVENTS - 2} ${size}` }] },
    configuration: { returnImmediately: true },
  });
  const usage = () => servers.map(({ cpuMicroseconds, residentMebibytes }) => ({ cpuMicroseconds, residentMebibytes }));
  let before;
  const job = { kind: 'subscriptions', ports: servers.map((server) => server.port), path: AGENT, id: task.id };
  const result = await lab.load.run({ ...job, subscribers: count, stalled }, (mark) => {
    if (mark !== 'start') return;
    before = usage();
    void signal(port, task.id);
  });
  lab.remember([task.id]);
  const after = usage();
  const sum = (key) => after.reduce((total, use, index) => total + use[key] - before[index][key], 0);
  const isWhole = result.variants === 1 && result.numbers.every((number, index) => number === index + 2);
  return {
    ...result,
    subscribers: count,
    stalledReaders: stalled,
    isWhole: isWhole && result.numbers.length === EVENTS + 1,
    cpu: sum('cpuMicroseconds') / (count * EVENTS),
    grown: sum('residentMebibytes'),
  };
}

async function call(port, method, params) {
  const headers = { 'content-type': 'application/json', 'a2a-version': '1.0' };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const response = await fetch(`http://127.0.0.1:${port}${AGENT}`, { method: 'POST', headers, body });
  return (await response.json()).result;
}

async function signal(port, id) {
  const body = JSON.stringify({ ids: [id], tenant: 'default', name: 'go' });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:${port}/admin/v1/tasks/signal`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`the signal was refused: ${await response.text()}`);
}

function table(runs) {
  const columns = [
    'readers',
    'others that take nothing',
    'all at the end, ms',
    'events/s in all',
    'CPU of the servers, µs an event and reader',
    'memory grown by, MiB',
  ];
  const rows = Object.values(runs).map((run) => [
    ...[whole(run.subscribers), run.stalledReaders, milliseconds(run.last)],
    ...[whole((run.subscribers * EVENTS) / (run.last / 1_000)), factor(run.cpu), whole(run.grown)],
  ]);
  return { columns, rows };
}

function bars(many, perReader) {
  return [
    {
      name: `${whole(SUBSCRIBERS)} subscribers of one task at two servers see the same ${EVENTS} events`,
      value: many.isWhole ? 'all' : `${many.variants} variants, ${many.numbers.length} events`,
      bar: 'all',
      met: many.isWhole,
    },
    {
      name: 'memory for a reader that takes nothing of 10 MB',
      value: `${factor(perReader)} MiB`,
      bar: '< 2 MiB',
      met: perReader < 2,
    },
  ];
}
