import { setTimeout as delay } from 'node:timers/promises';
import { EXCHANGES } from './exchanges.mjs';
import { KeepAliveConnection } from './keep-alive-connection.mjs';
import { percentile } from './statistics.mjs';

const TICK_MS = 5;

/**
 * Offers requests at a `rate` a second for `measureMs`, whether earlier ones are answered or not, over at most as many
 * `connections` as the job has; what comes due while all of them wait is never sent, and counts as such. Answers with what
 * became of all of them.
 */
export async function offer(job) {
  const tally = { sent: 0, unsent: 0, refused: 0, latencies: [], refusals: [], taskIds: [], failures: {} };
  const idle = await Promise.all(Array.from({ length: job.connections }, () => lineOf(job)));
  const underWay = new Set();
  process.send({ mark: 'start' });
  const from = performance.now();
  for (let due = 0; performance.now() - from < job.measureMs; await delay(TICK_MS)) {
    const elapsed = Math.min(performance.now() - from, job.measureMs);
    for (const target = Math.floor((elapsed * job.rate) / 1_000); due < target; due++) {
      const line = idle.pop();
      if (!line) tally.unsent++;
      else
        track(
          underWay,
          ask(line, job, tally).finally(() => idle.push(line)),
        );
    }
  }
  process.send({ mark: 'end' });
  await Promise.all(underWay);
  for (const { connection } of idle) connection.close();
  const { latencies, refusals, ...counts } = tally;
  return {
    ...counts,
    perSecond: latencies.length / (job.measureMs / 1_000),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    refusalP50: percentile(refusals, 0.5),
    refusalP99: percentile(refusals, 0.99),
  };
}

function track(underWay, work) {
  underWay.add(work);
  void work.then(() => underWay.delete(work));
}

async function lineOf(job) {
  return { exchange: EXCHANGES[job.exchange](job), connection: await KeepAliveConnection.open(job.port) };
}

async function ask(line, { port }, tally) {
  tally.sent++;
  try {
    const response = await line.connection.send(line.exchange.request());
    const ms = response.endedAt - response.sentAt;
    if (response.status === 503) {
      checkRefusal(response);
      tally.refused++;
      tally.refusals.push(ms);
    } else {
      tally.taskIds.push(line.exchange.check(response).taskId);
      tally.latencies.push(ms);
    }
  } catch (error) {
    const kind = error.message.replaceAll(/\d+/g, 'n').slice(0, 120);
    tally.failures[kind] = (tally.failures[kind] ?? 0) + 1;
    line.connection.close();
    line.connection = await KeepAliveConnection.open(port);
  }
}

/** A refusal says what is the matter, and when to try again, in the header and in the body. */
function checkRefusal({ body, retryAfter }) {
  const { error } = JSON.parse(body);
  const advice = error?.data?.find(({ retryDelay }) => retryDelay !== undefined);
  if (error?.code !== -32000 || !advice || !(retryAfter >= 1)) throw new Error(`an unclear refusal: ${body}`);
}
