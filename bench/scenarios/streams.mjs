import { milliseconds, whole } from '../numbers.mjs';

const CHUNKS = 100;
const CONNECTIONS = [1, 16];

/** SendStreamingMessage to an agent that appends 100 chunks, one per turn of the event loop. */
export async function streams(lab) {
  const rows = [];
  for (const connections of CONNECTIONS) {
    for (const name of ['perdure', 'sdk in memory']) rows.push(await streamsOf(lab, name, connections));
  }
  return {
    title: `Streams of ${CHUNKS} artifact events`,
    text: [
      'From the request to the first event, and to the end of the stream; every event of every stream is read and checked.',
    ],
    tables: [
      {
        columns: [
          'connections',
          'server',
          'streams/s',
          'first event p50 ms',
          'p99 ms',
          'whole stream p50 ms',
          'p99 ms',
          'errors',
        ],
        rows,
      },
    ],
    bars: [],
  };
}

async function streamsOf(lab, name, connections) {
  return lab.withServer(name, async (server) => {
    const job = { exchange: 'stream', path: '/agents/chunks', count: CHUNKS, connections };
    const result = await lab.measure(server, job);
    if (name === 'perdure') lab.remember(result.taskIds);
    const times = [result.firstEventP50, result.firstEventP99, result.p50, result.p99].map(milliseconds);
    return [connections, name, whole(result.perSecond), ...times, errorsOf(result)];
  });
}

function errorsOf({ errors, firstError }) {
  return errors === 0 ? 0 : `${errors}: ${firstError}`;
}
