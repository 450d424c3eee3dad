import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

/*
 * Receives webhooks, in a process of its own, as cheaply as Node can: reads each request to its end and answers 204. Beside it
 * a port that takes connections and never answers.
 */
const hanging = new Set();
let seen;
reset();

const prompt = createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    response.writeHead(204).end();
    note(request.headers, pieces);
  });
});
const hole = createTcpServer((socket) => {
  hanging.add(socket);
  socket.on('data', () => undefined).on('error', () => undefined);
  socket.on('close', () => hanging.delete(socket));
});

const WISHES = {
  async start() {
    await Promise.all([prompt, hole].map((server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))));
    return { url: urlOf(prompt), holeUrl: urlOf(hole) };
  },
  reset,
  report() {
    const { ids, requests, unsigned, latencies, from, to } = seen;
    return { requests, events: ids.size, unsigned, latencies, perSecond: (requests * 1_000) / (to - from) };
  },
  release() {
    for (const socket of hanging) socket.destroy();
  },
};
process.on('message', async (wish) => process.send((await WISHES[wish]()) ?? {}));
process.once('disconnect', () => process.exit());

function reset() {
  seen = { ids: new Set(), requests: 0, unsigned: 0, latencies: [], from: Infinity, to: 0 };
}

function note(headers, pieces) {
  const now = performance.now();
  seen.requests++;
  seen.from = Math.min(seen.from, now);
  seen.to = now;
  if (!headers['webhook-signature']) seen.unsigned++;
  const id = headers['webhook-id'];
  if (id === undefined || seen.ids.has(id)) return;
  seen.ids.add(id);
  const time = /"timestamp":"([^"]+)"/.exec(Buffer.concat(pieces).toString())?.[1];
  if (time) seen.latencies.push(performance.timeOrigin + now - Date.parse(time));
}

function urlOf(server) {
  return `http://127.0.0.1:${server.address().port}`;
}
