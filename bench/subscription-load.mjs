import { createHash } from 'node:crypto';
import { KeepAliveConnection } from './keep-alive-connection.mjs';
import { percentile } from './statistics.mjs';

/**
 * Subscribes to one task at the `ports` in turn, `subscribers` times, each over a connection of its own, and `stalled` times
 * more without reading anything. Marks `start` when all readers are shown something. Answers when all readers have come to
 * the end: how many different streams they have seen (one, if all is well), the numbers of the events, and the times.
 */
export async function subscribe({ ports, path, id, subscribers, stalled = 0 }) {
  const request = subscription(path, id);
  const ofPort = (index) => ports[index % ports.length];
  const open = (count) => Promise.all(range(count).map((index) => KeepAliveConnection.open(ofPort(index))));
  const idlers = await open(stalled);
  for (const idler of idlers) idler.ignore(request);
  const readers = await open(subscribers);
  let shown = 0;
  const onFirst = () => ++shown === subscribers && process.send({ mark: 'start' });
  const responses = await Promise.all(readers.map((reader) => reader.send(request, onFirst)));
  process.send({ mark: 'end' });
  for (const connection of [...readers, ...idlers]) connection.close();
  const started = Math.max(...responses.map(({ firstAt }) => firstAt));
  const ends = responses.map(({ endedAt }) => endedAt - started);
  const digests = new Set(responses.map(({ body }) => createHash('sha256').update(body).digest('hex')));
  return {
    variants: digests.size,
    numbers: Array.from(responses[0].body.matchAll(/^id: (\d+)$/gm), ([, number]) => Number(number)),
    bytes: responses[0].body.length,
    p50: percentile(ends, 0.5),
    last: Math.max(...ends),
  };
}

function subscription(path, id) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id } });
  return `POST ${path} HTTP/1.1\r\nhost: bench\r\na2a-version: 1.0\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function range(count) {
  return Array.from({ length: count }, (_, index) => index);
}
