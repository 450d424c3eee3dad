import { Pool } from 'undici';

/*
 * What the HTTP client alone can do: posts a body of so many bytes so many times over so many connections, `URL COUNT CONNECTIONS
 * BYTES`, each request when the last one of its connection is answered. Nothing is read from a database, signed, or written down.
 */
const [url, count, connections, bytes] = process.argv.slice(2);
const pool = new Pool(url, { connections: Number(connections), pipelining: 1 });
const body = Buffer.alloc(Number(bytes), 'x');
let left = Number(count);

async function post() {
  while (left-- > 0) {
    const headers = { 'content-type': 'application/a2a+json' };
    const answer = await pool.request({ path: '/', method: 'POST', headers, body });
    await answer.body.dump();
    if (answer.statusCode !== 204) throw new Error(`answered ${answer.statusCode}`);
  }
}

await Promise.all(Array.from({ length: Number(connections) }, () => post()));
await pool.close();
