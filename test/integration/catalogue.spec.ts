import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptedAgent, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const AGENTS = [
  scriptedAgent('echo', { default: true }),
  scriptedAgent('hidden', { listed: false }),
  scriptedAgent('sums', {
    card: {
      ...{ name: 'Sums', description: 'Adds up', version: '2.0.0' },
      skills: [
        { id: 'a', name: 'A', description: 'A', tags: ['maths', 'numbers'] },
        { id: 'b', name: 'B', description: 'B', tags: ['maths'] },
      ],
    },
  }),
];

let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer({}, AGENTS);
});
afterAll(() => server.close());

const get = (path: string, init: RequestInit = {}) => fetch(server.url + path, init);
const CATALOGUE = '/.well-known/ai-catalog.json';

describe('the catalogue', () => {
  it('lists the agents with their cards, as an AI Catalog', async () => {
    const response = await get(CATALOGUE);
    expect(response.headers.get('content-type')).toMatch(/^application\/ai-catalog\+json/);
    const url = (id: string) => `${server.url}/agents/${id}`;
    const type = 'application/a2a-agent-card+json';
    expect(await response.json()).toEqual({
      specVersion: '1.0',
      entries: [
        { identifier: url('echo'), type, url: `${url('echo')}/.well-known/agent-card.json`, tags: [] },
        {
          identifier: url('sums'),
          type,
          url: `${url('sums')}/.well-known/agent-card.json`,
          tags: ['maths', 'numbers'],
        },
      ],
    });
  });

  it('names the agents of a public server by its domain', async () => {
    const proxied = await startScriptedServer({ publicUrl: 'https://agents.example.com/a2a' }, AGENTS);
    const { entries } = (await (await fetch(proxied.url + CATALOGUE)).json()) as { entries: object[] };
    expect(entries[1]).toMatchObject({
      identifier: 'urn:air:agents.example.com:agent:sums',
      url: 'https://agents.example.com/a2a/agents/sums/.well-known/agent-card.json',
    });
    await proxied.close();
  });

  it('has a list for people and scripts at /agents', async () => {
    const { agents } = (await (await get('/agents')).json()) as { agents: { id: string; card: string }[] };
    expect(agents).toMatchObject([
      { id: 'echo', name: 'Agent echo', default: true },
      {
        id: 'sums',
        name: 'Sums',
        description: 'Adds up',
        version: '2.0.0',
        tags: ['maths', 'numbers'],
        default: false,
      },
    ]);
    for (const { card } of agents) expect((await fetch(card)).status).toBe(200);
  });

  it('leaves out an agent that is not listed, which is served all the same', async () => {
    for (const path of [CATALOGUE, '/agents', '/']) expect(await (await get(path)).text()).not.toContain('hidden');
    expect((await get('/agents/hidden/.well-known/agent-card.json')).status).toBe(200);
  });

  it.each([CATALOGUE, '/agents'])('%s is cacheable, readable from any web page, and not sent twice', async (path) => {
    const { headers } = await get(path);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    const validators = { 'if-none-match': headers.get('etag')! };
    expect((await get(path, { headers: validators })).status).toBe(304);
    expect((await get(path, { headers: { 'if-modified-since': headers.get('last-modified')! } })).status).toBe(304);
    expect((await get(path, { method: 'OPTIONS' })).status).toBe(204);
    expect((await get(path, { method: 'HEAD' })).headers.get('etag')).toBe(headers.get('etag'));
  });
});

describe('the JWK set of a server without keys', () => {
  it('is empty', async () => {
    const response = await get('/.well-known/jwks.json');
    expect(response.headers.get('content-type')).toMatch(/^application\/jwk-set\+json/);
    expect(await response.json()).toEqual({ keys: [] });
  });
});
