import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '#platform';
import { checkCard } from '#protocol';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server.close());

const CARD = '/.well-known/agent-card.json';

function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  return fetch(server.url + path, { method, headers, redirect: 'manual' });
}

describe('an agent card', () => {
  it.each([
    ['', 'Agent echo', ''],
    ['/agents/echo', 'Agent echo', '/agents/echo'],
    ['/agents/other', 'Agent other', '/agents/other'],
    ['/acme', 'Agent echo', '/acme'],
    ['/agents/other/acme', 'Agent other', '/agents/other/acme'],
    ['/acme%2Fother', 'Agent other', '/agents/other/acme'],
    ['/%2Fother', 'Agent other', '/agents/other'],
  ])('stands below "%s" and points to where it was found', async (base, name, url) => {
    for (const file of [CARD, '/.well-known/agent.json', `${CARD}/`]) {
      const response = await get(base + file);
      expect(response.status).toBe(200);
      const card = (await response.json()) as Record<string, unknown>;
      expect(card.name).toBe(name);
      const [jsonRpc, httpJson] = card.supportedInterfaces as object[];
      const address = { url: server.url + url, protocolVersion: '1.0' };
      expect(jsonRpc).toEqual({ ...address, protocolBinding: 'JSONRPC' });
      expect(httpJson).toEqual({ ...address, protocolBinding: 'HTTP+JSON' });
    }
  });

  it('leads to an endpoint that answers for the same agent and tenant', async () => {
    const seen: unknown[] = [];
    server.script.listTasks = async (_request, { agent, tenant }) => {
      seen.push({ agent, tenant });
      throw new Error('seen');
    };
    const card = (await (await get(`/agents/other/acme${CARD}`)).json()) as {
      supportedInterfaces: [{ url: string }];
    };
    const [{ url }] = card.supportedInterfaces;
    await server.post({ jsonrpc: '2.0', id: 1, method: 'ListTasks', params: {} }, { path: new URL(url).pathname });
    expect(seen).toEqual([{ agent: 'other', tenant: 'acme' }]);
  });

  it.each([
    ['1.0', '1.0'],
    [' 1.0.3', '1.0'],
    ['99.0', '1.0'],
    ['0.3', 'hybrid'],
    ['0.3.0', 'hybrid'],
    ['', 'hybrid'],
    [undefined, 'hybrid'],
  ])('for a caller of version "%s" is written for %s', async (version, dialect) => {
    const headers: Record<string, string> = version === undefined ? {} : { 'a2a-version': version };
    const response = await get(`/agents/other${CARD}`, headers);
    expect(response.headers.get('vary')).toBe('A2A-Version');
    const report = checkCard(await response.json());
    expect(report.dialect).toBe(dialect);
    expect(report.findings.filter(({ field }) => field !== 'skills')).toEqual([]);
    const byQuery = await get(`/agents/other${CARD}?A2A-Version=${encodeURIComponent(version ?? '')}`);
    expect(checkCard(await byQuery.json()).dialect).toBe(dialect);
  });

  it('has another tag for each kind of callers, and knows which one a caller has', async () => {
    const [current, hybrid] = await Promise.all([get(CARD, { 'a2a-version': '1.0' }), get(CARD)]);
    const etag = current.headers.get('etag')!;
    expect(etag).not.toBe(hybrid.headers.get('etag'));
    expect((await get(CARD, { 'a2a-version': '1.0', 'if-none-match': etag })).status).toBe(304);
    expect((await get(CARD, { 'if-none-match': etag })).status).toBe(200);
  });

  it('has its required lists even when they are empty', async () => {
    expect(await (await get(CARD)).json()).toMatchObject({ skills: [], defaultInputModes: ['text/plain'] });
  });

  it.each(['/agents/nobody', '/acme%2Fnobody', '/a%20b', '/agents/echo/acme%2Fother'])(
    'is not found below %s',
    async (base) => {
      const response = await get(base + CARD);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: 404 } });
    },
  );

  it('is cacheable, and readable from any web page', async () => {
    const { headers } = await get(CARD);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    expect(headers.get('etag')).toMatch(/^W\/"[^"]+"$/);
    expect(Date.parse(headers.get('last-modified') ?? '')).toBeLessThanOrEqual(Date.now());
    expect(headers.get('vary')).toBe('A2A-Version');
    expect(headers.get('access-control-allow-origin')).toBe('*');
  });

  it('lets a web page ask with a version header', async () => {
    const response = await get(CARD, {}, 'OPTIONS');
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-headers')).toBe('*');
  });

  it('answers HEAD with the headers alone', async () => {
    const [head, full] = await Promise.all([get(CARD, {}, 'HEAD'), get(CARD)]);
    expect(head.status).toBe(200);
    expect(head.headers.get('etag')).toBe(full.headers.get('etag'));
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(await full.text())));
    expect(await head.text()).toBe('');
  });

  it('has another tag where its content differs, and the same where it does not', async () => {
    const tags = await Promise.all(
      ['', '/agents/echo', '/acme', ''].map(async (base) => (await get(base + CARD)).headers.get('etag')),
    );
    expect(new Set(tags).size).toBe(3);
    expect(tags[0]).toBe(tags[3]);
  });

  it.each([
    ['the tag', (etag: string) => ({ 'if-none-match': etag })],
    ['the tag made strong by a proxy', (etag: string) => ({ 'if-none-match': etag.replace('W/', '') })],
    ['the tag in a list', (etag: string) => ({ 'if-none-match': `"a", ${etag}, W/"b"` })],
    ['any tag', () => ({ 'if-none-match': '*' })],
    ['its date', (_etag: string, date: string) => ({ 'if-modified-since': date })],
  ])('is not sent again to a client that has %s', async (_case, conditions) => {
    const { headers } = await get(CARD);
    const etag = headers.get('etag')!;
    const response = await get(CARD, conditions(etag, headers.get('last-modified')!));
    expect(response.status).toBe(304);
    expect(await response.text()).toBe('');
    expect(response.headers.get('etag')).toBe(etag);
    expect(response.headers.get('cache-control')).toMatch(/max-age/);
  });

  it.each([
    ['another tag', { 'if-none-match': '"other"' }],
    [
      'another tag, whatever the date',
      { 'if-none-match': '"other"', 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' },
    ],
    ['an older date', { 'if-modified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' }],
    ['a date that is none', { 'if-modified-since': 'yesterday' }],
  ])('is sent to a client that has %s', async (_case, conditions: Record<string, string>) => {
    expect((await get(CARD, conditions)).status).toBe(200);
  });

  it('carries the public URL where one is set', async () => {
    const proxied = await startScriptedServer({ publicUrl: 'https://agents.example.com/a2a' });
    const response = await fetch(`${proxied.url}/agents/other${CARD}`);
    const card = (await response.json()) as { supportedInterfaces: [{ url: string }] };
    expect(card.supportedInterfaces[0].url).toBe('https://agents.example.com/a2a/agents/other');
    await proxied.close();
  });
});

describe('the front page', () => {
  it('says what this is, and where its agents are', async () => {
    const page = (await (await get('/')).json()) as { agents: { id: string; card: string }[] };
    expect(page).toMatchObject({ name: 'Perdure', version: packageVersion(), protocolVersions: ['1.0', '0.3'] });
    expect(page.agents.map(({ id }) => id)).toEqual(['echo', 'other']);
    for (const { card } of page.agents) expect((await fetch(card)).status).toBe(200);
  });
});
