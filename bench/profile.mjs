import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readCpuProfile } from './cpu-profile.mjs';
import { PERDURE_DATABASE } from './laboratory.mjs';
import { milliseconds, whole } from './numbers.mjs';

/** Settings of Postgres that a profile needs. */
export const PROFILE_SETTINGS = { shared_preload_libraries: 'pg_stat_statements' };

const CONNECTIONS = 64;
/** To warm up, and again to measure: by count, since a crowded machine warms up slowly. */
const SENDS = 20_000;
const SAMPLE_US = 250;
const TOP_FUNCTIONS = 25;
const TOP_PLACES = 20;
const TOP_STATEMENTS = 10;

/** The binding that is profiled. */
const JOBS = {
  'JSON-RPC': () => ({ exchange: 'echo', path: '/agents/echo' }),
  gRPC: ({ grpcPort }) => ({ exchange: 'grpcEcho', agent: 'echo', port: grpcPort }),
};

/** Where Perdure and Postgres spend their time in blocking sends over a binding at 64 connections, in microseconds per send. */
export async function profile(lab, binding) {
  await lab.postgres.query(PERDURE_DATABASE, 'create extension if not exists pg_stat_statements');
  const folder = join(lab.postgres.folder, 'profile');
  mkdirSync(folder, { recursive: true });
  const nodeArgs = ['--cpu-prof', `--cpu-prof-interval=${SAMPLE_US}`, `--cpu-prof-dir=${folder}`];
  const run = await lab.withServer('perdure', (server) => loaded(lab, server, JOBS[binding](server)), { nodeArgs });
  const { functions, places } = readCpuProfile(folder, run.window);
  const busy = functions.reduce((sum, [name, microseconds]) => (name === '(idle)' ? sum : sum + microseconds), 0);
  // Samples count the wall clock; shares of it, applied to the CPU time, hold on a crowded machine too.
  const perSend = (microseconds) => ((run.serverCpu * microseconds) / busy).toFixed(1);
  const timeTable = (name, entries, count) => ({
    columns: [name, 'share', 'µs per send'],
    rows: entries
      .filter(([place]) => place !== '(idle)')
      .slice(0, count)
      .map(([place, microseconds]) => [place, `${((microseconds / busy) * 100).toFixed(1)} %`, perSend(microseconds)]),
  });
  return {
    title: `Profile of blocking sends over ${binding} at ${CONNECTIONS} connections`,
    text: [
      `${whole(run.perSecond)} sends/s with the profiler on, p50 ${milliseconds(run.p50)} ms. CPU per send: node ${whole(run.serverCpu)} µs, Postgres ${whole(run.postgresCpu)} µs. Self times in the main thread, as shares of node's CPU time.`,
    ],
    tables: [
      timeTable('function', functions, TOP_FUNCTIONS),
      timeTable('file or package', places, TOP_PLACES),
      {
        columns: ['statement', 'calls', 'mean ms', 'rows', 'µs per send', 'WAL bytes per send', 'buffers per send'],
        rows: run.statements,
      },
    ],
    bars: [],
  };
}

async function loaded(lab, server, exchange) {
  const job = { ...exchange, connections: CONNECTIONS, times: SENDS };
  const warmUp = await lab.measure(server, job);
  await lab.postgres.query(PERDURE_DATABASE, 'select pg_stat_statements_reset()');
  const window = {};
  // V8 stamps its samples with the same monotonic clock.
  const onMark = (mark) => (window[mark] = Number(process.hrtime.bigint() / 1_000n));
  const result = await lab.measure(server, job, { onMark });
  lab.remember([...warmUp.taskIds, ...result.taskIds]);
  return { ...result, window, statements: await topStatements(lab, result.answered) };
}

async function topStatements(lab, answered) {
  const rows = await lab.postgres.query(
    PERDURE_DATABASE,
    `select query, calls, mean_exec_time as mean, total_exec_time * 1000 / $1 as us, rows, wal_bytes / $1 as wal,
            (shared_blks_hit + shared_blks_read)::float8 / $1 as buffers
     from pg_stat_statements s join pg_database d on d.oid = s.dbid and d.datname = current_database()
     order by total_exec_time desc limit $2`,
    [answered, TOP_STATEMENTS],
  );
  return rows.map(({ query, calls, mean, rows: count, us, wal, buffers }) => [
    ...[summary(query), whole(Number(calls)), mean.toFixed(3), whole(Number(count))],
    ...[us.toFixed(1), whole(Number(wal)), buffers.toFixed(1)],
  ]);
}

/** A statement's beginning, and for those of the committer what tells them apart. */
function summary(query) {
  const text = query.replace(/\s+/g, ' ').replaceAll('|', '/').trim();
  const parts = text.startsWith('with')
    ? text.match(/\b\w+ as (?:materialized )?\(/g)?.map((part) => part.split(' ')[0])
    : undefined;
  return parts ? `with ${parts.join(', ')}` : text.slice(0, 70);
}
