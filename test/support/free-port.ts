import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Each worker of the run has ports of its own, all of them below those that a system gives to whoever asks for any. */
const FIRST = 12_000;
const PORTS = 1_000;
const WORKERS = 16;

const worker = Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS;
let given = randomInt(PORTS);

/**
 * A port of this machine that nothing listens on now, for a server that is started later, or has to come back at the same
 * address: nobody else takes it in the meantime.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + worker * PORTS + (given++ % PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const isListening = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  if (!isListening) return false;
  server.close();
  await once(server, 'close');
  return true;
}
