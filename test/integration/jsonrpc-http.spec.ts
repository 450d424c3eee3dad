import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server.close());

async function call(method: string, path: string) {
  const response = await fetch(server.url + path, { method, redirect: 'manual' });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

describe('errors of HTTP itself', () => {
  it.each(['/agents/echo/acme/more', '/health/nothing', '/.well-known/nothing'])(
    'answers 404 in JSON for %s',
    async (path) => {
      const { status, headers, body } = await call('GET', path);
      expect(status).toBe(404);
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      expect(body.error).toMatchObject({ code: 404, status: 'NOT_FOUND' });
    },
  );

  it.each([
    ['GET', '/agents/echo', 'POST'],
    ['PUT', '/', 'GET, HEAD, POST'],
    ['DELETE', '/health/live/', 'GET, HEAD'],
    ['POST', '/.well-known/agent-card.json', 'GET, HEAD, OPTIONS'],
  ])('answers 405 in JSON for %s %s and names the methods that are served', async (method, path, allow) => {
    const { status, headers, body } = await call(method, path);
    expect(status).toBe(405);
    expect(headers.get('allow')).toBe(allow);
    expect(body.error.code).toBe(405);
  });

  it('answers 400 in JSON for a malformed escape in the URL', async () => {
    const text = await server.raw('GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*application\/json[\s\S]*"status":"INVALID_ARGUMENT"/);
  });

  it('answers 414 in JSON for a segment without end', async () => {
    const text = await server.raw(`POST /${'x'.repeat(1_000)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 414 [\s\S]*"code":414/);
  });

  it('answers 431 in JSON for headers without end', async () => {
    const text = await server.raw(`GET / HTTP/1.1\r\nhost: x\r\nx-filler: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 431 [\s\S]*"code":431/);
  });

  it('answers 400 in JSON to what is not HTTP', async () => {
    const text = await server.raw('hello there\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*application\/json[\s\S]*"code":400/);
  });

  it('answers 400 to a body that does not have the length it announced', async () => {
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5, 6\r\n\r\n';
    expect(await server.raw(head)).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('health', () => {
  afterEach(() => {
    server.healthChecks.length = 0;
    server.log.length = 0;
  });

  it('is live as long as the process answers', async () => {
    expect(await call('GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('is ready when every check passes', async () => {
    server.healthChecks.push({ name: 'database', check: async () => undefined });
    const { status, headers, body } = await call('GET', '/health/ready');
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({ status: 'ok', checks: { database: 'ok' } });
  });

  it('is not ready when a check fails; says which, and the log why', async () => {
    server.healthChecks.push(
      { name: 'database', check: () => Promise.reject(new Error('swordfish')) },
      { name: 'queue', check: async () => undefined },
    );
    const { status, body } = await call('GET', '/health/ready');
    expect(status).toBe(503);
    expect(body).toEqual({ status: 'unavailable', checks: { database: 'failed', queue: 'ok' } });
    expect(JSON.stringify(server.log)).toContain('swordfish');
  });

  it('is not ready when a check does not answer', async () => {
    server.healthChecks.push({ name: 'database', check: () => new Promise(() => undefined) });
    const { status, body } = await call('GET', '/health/ready');
    expect(status).toBe(503);
    expect(body.checks).toEqual({ database: 'failed' });
  });

  it('is not ready while the server shuts down, and still live', async () => {
    const draining = await startScriptedServer();
    await draining.calls.drain();
    expect((await fetch(`${draining.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${draining.url}/health/live`)).status).toBe(200);
    await draining.close();
  });
});
