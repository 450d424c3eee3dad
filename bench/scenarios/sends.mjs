import { factor, milliseconds, whole } from '../numbers.mjs';
import { median, spread } from '../statistics.mjs';

const ROUNDS = 3;
const CONNECTIONS = [1, 16, 64];
const SERVERS = ['perdure', 'sdk in memory', 'sdk on Postgres'];

/** Blocking SendMessage to an echo agent: Perdure and the SDK in turns, a fresh process for every server and round. */
export async function sends(lab) {
  const runs = [];
  for (let round = 1; round <= ROUNDS; round++) {
    for (const server of SERVERS) runs.push(...(await sendsOf(lab, server, round)));
  }
  const rateOf = (server, connections, round) => pick(runs, { server, connections, round })[0].perSecond;
  const ratios = (connections, other) =>
    range(ROUNDS).map((round) => rateOf('perdure', connections, round) / rateOf(other, connections, round));
  return {
    title: 'Blocking SendMessage, echo agent',
    text: [
      `${ROUNDS} rounds, every server in turn in each; medians over the rounds. CPU: microseconds per answer; Postgres' is that of all its processes.`,
    ],
    tables: [serverTable(runs), ratioTable(ratios)],
    bars: bars(runs, ratios),
    facts: {
      perSecond: (connections) => median(pick(runs, { server: 'perdure', connections }).map((run) => run.perSecond)),
    },
  };
}

async function sendsOf(lab, name, round) {
  return lab.withServer(name, async (server) => {
    const runs = [];
    // A server runs for weeks: its code is compiled before anything is counted, not while it is.
    const { taskIds: unmeasured } = await lab.measure(server, {
      exchange: 'echo',
      path: '/agents/echo',
      connections: 64,
    });
    if (name === 'perdure') lab.remember(unmeasured);
    for (const connections of CONNECTIONS) {
      const { taskIds, ...run } = await lab.measure(server, { exchange: 'echo', path: '/agents/echo', connections });
      if (name === 'perdure') lab.remember(taskIds);
      runs.push({ server: name, connections, round, ...run });
      console.error(`round ${round}, ${name}, ${connections} connections: ${whole(run.perSecond)}/s${failures(run)}`);
    }
    return runs;
  });
}

function failures({ errors, firstError }) {
  return errors === 0 ? '' : `, ${errors} errors, the first: ${firstError}`;
}

function serverTable(runs) {
  const columns = [
    'connections',
    'server',
    'sends/s (min–max)',
    'p50 ms',
    'p99 ms',
    'errors',
    'CPU node',
    'CPU Postgres',
    'RSS MiB',
  ];
  const rows = CONNECTIONS.flatMap((connections) =>
    SERVERS.map((server) => row(server, connections, pick(runs, { server, connections }))),
  );
  return { columns, rows };
}

function row(server, connections, runs) {
  const middle = (key) => median(runs.map((run) => run[key]));
  const rate = spread(runs.map((run) => run.perSecond));
  const errors = runs.reduce((sum, run) => sum + run.errors, 0);
  return [
    ...[connections, server, `${whole(rate.median)} (${whole(rate.min)}–${whole(rate.max)})`],
    ...[milliseconds(middle('p50')), milliseconds(middle('p99')), errors],
    ...[
      whole(middle('serverCpu')),
      server === 'sdk in memory' ? '–' : whole(middle('postgresCpu')),
      whole(middle('resident')),
    ],
  ];
}

function ratioTable(ratios) {
  const text = (connections, other) => {
    const { min, median: middle, max } = spread(ratios(connections, other));
    return `${factor(min)} – **${factor(middle)}** – ${factor(max)}`;
  };
  const rows = CONNECTIONS.map((connections) => [
    connections,
    text(connections, 'sdk in memory'),
    text(connections, 'sdk on Postgres'),
  ]);
  return { columns: ['connections', 'perdure / sdk in memory', 'perdure / sdk on Postgres'], rows };
}

function bars(runs, ratios) {
  const memory = median(ratios(64, 'sdk in memory'));
  const postgres = median(ratios(64, 'sdk on Postgres'));
  const p50 = median(pick(runs, { server: 'perdure', connections: 1 }).map((run) => run.p50));
  const errors = pick(runs, { server: 'perdure' }).reduce((sum, run) => sum + run.errors, 0);
  return [
    {
      name: 'sends at 64 connections against the SDK in memory',
      value: `${factor(memory)} ×`,
      bar: '≥ 1.5 × (aim 2 ×)',
      met: memory >= 1.5,
    },
    {
      name: 'sends at 64 connections against the SDK on Postgres',
      value: `${factor(postgres)} ×`,
      bar: '≥ 6 × (aim 8 ×)',
      met: postgres >= 6,
    },
    {
      name: 'p50 of a send at one connection',
      value: `${milliseconds(p50)} ms`,
      bar: '< 3 ms (aim 2 ms)',
      met: p50 < 3,
    },
    { name: 'errors of ours', value: String(errors), bar: '0', met: errors === 0 },
  ];
}

function pick(runs, wanted) {
  return runs.filter((run) => Object.entries(wanted).every(([key, value]) => run[key] === value));
}

function range(count) {
  return Array.from({ length: count }, (_, index) => index + 1);
}
