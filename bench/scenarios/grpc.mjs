import { factor, milliseconds, whole } from '../numbers.mjs';
import { median, spread } from '../statistics.mjs';

const ROUNDS = 3;
const CONNECTIONS = 64;
/** The same call over each binding of one server. */
const BINDINGS = {
  'JSON-RPC': () => ({ exchange: 'echo', path: '/agents/echo' }),
  gRPC: ({ grpcPort }) => ({ exchange: 'grpcEcho', agent: 'echo', port: grpcPort }),
};

/** Blocking SendMessage to an echo agent over gRPC, against JSON-RPC of the same process. */
export async function grpc(lab) {
  const runs = await lab.withServer('perdure', async (server) => {
    const measured = [];
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [binding, jobOf] of Object.entries(BINDINGS)) {
        const { taskIds, ...run } = await lab.measure(server, { ...jobOf(server), connections: CONNECTIONS });
        lab.remember(taskIds);
        // The first round only warms the server.
        if (round > 0) measured.push({ binding, ...run });
      }
    }
    return measured;
  });
  const of = (binding) => runs.filter((run) => run.binding === binding);
  const ratios = of('gRPC').map((run, index) => run.perSecond / of('JSON-RPC')[index].perSecond);
  const columns = ['binding', 'sends/s (min–max)', 'p50 ms', 'p99 ms', 'errors', 'CPU node'];
  return {
    title: 'Blocking SendMessage over gRPC, echo agent',
    text: [`${CONNECTIONS} connections, ${ROUNDS} rounds on one server, the bindings in turn; medians.`],
    tables: [{ columns, rows: Object.keys(BINDINGS).map((binding) => row(binding, of(binding))) }],
    bars: bars(median(ratios), runs),
  };
}

function row(binding, runs) {
  const middle = (key) => median(runs.map((run) => run[key]));
  const { median: rate, min, max } = spread(runs.map((run) => run.perSecond));
  return [
    ...[binding, `${whole(rate)} (${whole(min)}–${whole(max)})`, milliseconds(middle('p50'))],
    ...[milliseconds(middle('p99')), errorsOf(runs), whole(middle('serverCpu'))],
  ];
}

function bars(ratio, runs) {
  return [
    {
      name: 'sends over gRPC at 64 connections against our JSON-RPC',
      value: `${factor(ratio)} ×`,
      bar: '≥ 1.0 ×',
      met: ratio >= 1,
    },
    { name: 'errors over gRPC and beside it', value: String(errorsOf(runs)), bar: '0', met: errorsOf(runs) === 0 },
  ];
}

function errorsOf(runs) {
  return runs.reduce((sum, { errors }) => sum + errors, 0);
}
