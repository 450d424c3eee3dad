import { setTimeout as delay } from 'node:timers/promises';
import { EXCHANGES } from './exchanges.mjs';
import { KeepAliveConnection } from './keep-alive-connection.mjs';
import { offer } from './open-loop.mjs';
import { percentile } from './statistics.mjs';
import { subscribe } from './subscription-load.mjs';

const MAX_ERRORS = 1_000;
/** Jobs of another kind, which a job names as its `kind`. */
const KINDS = { 'open loop': offer, subscriptions: subscribe };

/**
 * The load, in a process of its own. Takes jobs from its parent, one after the other:
 * `{ port, exchange, connections, warmUpMs, measureMs }` with the exchange's own settings, or `times` (in all, over
 * all connections) in place of the two durations, and `maxErrors` where many are to be expected. Every connection sends
 * its next request when the last answer is in and checked. Answers with `{ mark }` when measuring starts and ends, then with a `{ result }` or an `{ error }`.
 */
process.on('message', async (job) => {
  try {
    process.send({ result: await (KINDS[job.kind] ?? run)(job) });
  } catch (error) {
    process.send({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', () => process.exit());

async function run(job) {
  const tally = { latencies: [], firsts: [], errors: 0, firstError: undefined, taskIds: [] };
  const clock = job.times === undefined ? timed(job) : counted(job);
  await Promise.all(Array.from({ length: job.connections }, () => converse(job, clock, tally)));
  const seconds = await clock.finish();
  return {
    answered: tally.latencies.length,
    perSecond: tally.latencies.length / seconds,
    p50: percentile(tally.latencies, 0.5),
    p99: percentile(tally.latencies, 0.99),
    firstEventP50: percentile(tally.firsts, 0.5),
    firstEventP99: percentile(tally.firsts, 0.99),
    errors: tally.errors,
    firstError: tally.firstError,
    taskIds: tally.taskIds,
  };
}

/** One connection's requests. What was answered counts when it was answered within the measured time. */
async function converse(job, clock, tally) {
  const exchange = EXCHANGES[job.exchange](job);
  const { open = KeepAliveConnection.open } = exchange;
  let connection = await open(job.port);
  while (clock.next()) {
    try {
      const response = await connection.send(exchange.request());
      const { taskId, firstMs } = exchange.check(response);
      if (taskId) tally.taskIds.push(taskId);
      if (!clock.measures(response.endedAt)) continue;
      tally.latencies.push(response.endedAt - response.sentAt);
      if (firstMs !== undefined) tally.firsts.push(firstMs);
    } catch (error) {
      // Errors of the warm-up count too: a server that refuses work is not measured by what is left.
      tally.firstError ??= error.message;
      const { maxErrors = MAX_ERRORS } = job;
      if (++tally.errors >= maxErrors) throw new Error(`${maxErrors} errors, the first: ${tally.firstError}`);
      connection.close();
      connection = await open(job.port);
    }
  }
  connection.close();
}

/** Measures what is answered between the two marks, and lets what is under way then come to its end. */
function timed({ warmUpMs, measureMs }) {
  const from = performance.now() + warmUpMs;
  const to = from + measureMs;
  setTimeout(() => process.send({ mark: 'start' }), warmUpMs);
  const ended = delay(warmUpMs + measureMs).then(() => process.send({ mark: 'end' }));
  return {
    next: () => performance.now() < to,
    measures: (at) => at >= from && at < to,
    finish: () => ended.then(() => measureMs / 1_000),
  };
}

function counted({ times }) {
  const from = performance.now();
  let left = times;
  process.send({ mark: 'start' });
  return {
    next: () => left-- > 0,
    measures: () => true,
    async finish() {
      process.send({ mark: 'end' });
      return (performance.now() - from) / 1_000;
    },
  };
}
