import { CHUNK_LENGTH } from '../chunk.mjs';
import { milliseconds } from '../numbers.mjs';

const CHUNKS = 2_000;
const WARM_UP_CHUNKS = 200;
const TIMES = 3;

/** One task that appends 2,000 chunks, by a blocking SendMessage, whose answer holds them all. */
export async function chunks(lab) {
  const ours = await chunksOf(lab, 'perdure');
  const theirs = await chunksOf(lab, 'sdk in memory');
  const row = (name, { p50, errors, firstError }) => [
    name,
    milliseconds(p50),
    errors === 0 ? 0 : `${errors}: ${firstError}`,
  ];
  return {
    title: `${CHUNKS.toLocaleString('en-US')} chunks appended to one artifact`,
    text: [`Chunks of ${CHUNK_LENGTH} characters, one per turn of the event loop; median of ${TIMES} tasks.`],
    tables: [{ columns: ['server', 'ms', 'errors'], rows: [row('perdure', ours), row('sdk in memory', theirs)] }],
    bars: [
      {
        name: '2,000 chunks',
        value: `${milliseconds(ours.p50)} ms`,
        bar: '< 1,000 ms',
        met: ours.errors === 0 && ours.p50 < 1_000,
      },
    ],
  };
}

async function chunksOf(lab, name) {
  return lab.withServer(name, async (server) => {
    const job = { exchange: 'chunks', path: '/agents/chunks', count: CHUNKS };
    const warmUp = await lab.measure(server, { ...job, count: WARM_UP_CHUNKS, times: 1 });
    const result = await lab.measure(server, { ...job, times: TIMES });
    if (name === 'perdure') lab.remember([...warmUp.taskIds, ...result.taskIds]);
    return result;
  });
}
