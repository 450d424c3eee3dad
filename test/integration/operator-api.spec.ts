import { request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import { fetchAnswer } from '../support/json-rpc.js';
import { useTables } from '../support/task-tables.js';

const servers = useServers(1, { pageSizeMax: 3 });
useTables({
  get url() {
    return servers.databaseUrl;
  },
});

const get = (path: string) => fetchAnswer(`${servers.url}/admin/v1/tasks${path}`);
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetchAnswer(`${servers.url}/admin/v1/tasks${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function echoes(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push((await servers.rpc('echo').send(`Hello ${i}`)).id!);
  return ids;
}

describe('/admin/v1', () => {
  it('lists, shows, and pages by opaque cursors that belong to their list', async () => {
    const ids = await echoes(4);
    const first = await get('?agent=echo&limit=3');
    expect(first.status).toBe(200);
    expect(first.headers).toMatchObject({
      'content-type': expect.stringMatching(/^application\/json/),
      'cache-control': 'no-store',
    });
    const rest = await get(`?agent=echo&limit=3&cursor=${first.json.nextCursor}`);
    expect([...first.json.tasks, ...rest.json.tasks].map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(rest.json).not.toHaveProperty('nextCursor');
    const other = await get(`?agent=flaky&limit=3&cursor=${first.json.nextCursor}`);
    expect(other).toMatchObject({
      status: 400,
      json: { error: { message: expect.stringMatching(/cursor belongs to a list/) } },
    });

    const shown = await get(`/${ids[0]!.toUpperCase()}?tenant=default`);
    expect(shown.json).toMatchObject({ id: ids[0], tenant: 'default', agent: 'echo', state: 'TASK_STATE_COMPLETED' });
    const events = await get(`/${ids[0]}/events?limit=2`);
    expect(events.json.events.map(({ sequence }: { sequence: number }) => sequence)).toEqual([1, 2]);
    expect((await get(`/${ids[0]}/events?limit=2&cursor=${events.json.nextCursor}`)).json.events[0].sequence).toBe(3);
    expect((await get(`/${ids[0]}/journal`)).json).toEqual({ turn: 1, records: [] });
  });

  it('reports on each task of an action, and answers 200 also where one refuses', async () => {
    const [id] = await echoes(1);
    const missing = '00000000-0000-7000-8000-000000000000';
    const { status, json } = await post('/reset', { ids: [id, missing] });
    expect(status).toBe(200);
    expect(json.results).toMatchObject([
      { id, outcome: 'refused', code: 'ENDED', text: expect.stringMatching(/is completed/) },
      { id: missing, outcome: 'refused', code: 'NOT_FOUND' },
    ]);
  });

  it('shows no more on a page than the setting says, whatever is asked for', async () => {
    await echoes(4);
    const { json } = await get('?agent=echo&limit=1000');
    expect(json.tasks).toHaveLength(3);
    expect(json.nextCursor).toEqual(expect.any(String));
  });

  const uuid = '00000000-0000-7000-8000-000000000000';

  it.each([
    ['?limit=0', 'limit must be a whole number from 1'],
    ['?limit=1e1', 'limit must be'],
    ['?limit=1&limit=2', 'limit is given more than once'],
    ['?cursor=', 'cursor must be a text of 1 to 1024 characters'],
    ['?cursor=bm9uc2Vuc2U', 'cursor is not one that this server issued'],
    ['?cursor=WyJhIiwiYiJd', 'cursor is not one that this server issued'],
    ['?state=failed', 'state must be one of TASK_STATE_SUBMITTED'],
    ['?state=TASK_STATE_UNSPECIFIED', 'state must be one of'],
    ['?waitsFor=nothing', 'waitsFor must be one of input, auth'],
    ['?olderThan=soon', 'olderThan must be a duration such as 90s'],
    ['?olderThan=99999d', 'olderThan must be a duration'],
    ['?tenant=a/b', 'tenant must be 1 to 64 letters'],
    [`?agent=${'a'.repeat(65)}`, 'agent must be 1 to 64 letters'],
    ['?reason=%00', 'reason'],
    ['?dead=yes', 'dead must be true or false'],
    ['?nonsense=1', 'nonsense is not known here; there are tenant, agent'],
    ['?__proto__=1', '__proto__ is not known here'],
    [`/${uuid}?tenant=`, 'tenant must be a text'],
    [`/${uuid}/journal?turn=0`, 'turn must be a whole number'],
    [`/${uuid}/journal?place=three`, 'place must be a place as the journal shows it'],
  ])('refuses GET %s, and names the field and the fact', async (path, message) => {
    const { status, json } = await get(path);
    expect(json.error).toMatchObject({
      code: 400,
      status: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
    expect(status).toBe(400);
  });

  it.each([
    ['/retry', '{', 'not valid JSON'],
    ['/retry', [], 'must be a JSON object'],
    ['/retry', {}, 'ids is required, or filter'],
    ['/retry', { ids: [] }, 'ids must be a list of 1 to 3'],
    ['/retry', { ids: [uuid, uuid, uuid, uuid] }, 'ids must be a list of 1 to 3'],
    ['/retry', { ids: [uuid, 'nonsense'] }, 'ids[1] must be the id of a task, a UUID'],
    ['/retry', { ids: [uuid], filter: { agent: 'echo' } }, 'filter cannot be given beside ids'],
    ['/retry', { ids: [uuid], limit: 2 }, 'limit is for a filter'],
    ['/retry', { filter: {} }, 'filter must say which tasks'],
    ['/retry', { filter: { dead: false } }, 'filter must say which tasks'],
    ['/retry', { filter: { agent: 7 } }, 'filter.agent must be a text'],
    ['/retry', { filter: { agents: 'x' } }, 'filter.agents is not known here'],
    ['/retry', { filter: { agent: 'echo' }, tenant: 'acme' }, 'tenant is for ids; use filter.tenant'],
    ['/retry', { ids: [uuid], dryRun: 1 }, 'dryRun must be true or false'],
    ['/retry', { ids: [uuid], deadline: '0' }, 'deadline must be longer than 0'],
    ['/retry', { ids: [uuid], deadline: -5 }, 'deadline must be a duration'],
    ['/retry', { ids: [uuid], to: 'load' }, 'to is not known here'],
    ['/reset', { ids: [uuid], to: 'load', toPlace: '3' }, 'toPlace cannot be given beside to'],
    ['/reset', { ids: [uuid], toPlace: '3.' }, 'toPlace must be a place'],
    ['/signal', { ids: [uuid] }, 'name is required'],
    ['/signal', { ids: [uuid], name: '$own' }, 'name must be 1 to 128 letters'],
    ['/signal', { ids: [uuid], name: 'go', key: 'ä' }, 'key is not 1 to 255 printable ASCII'],
    ['/cancel', { filter: { reason: '\u0000' } }, 'filter.reason contains the character U+0000'],
  ])('refuses POST %s %j, and names the field and the fact', async (path, body, message) => {
    const { status, json } = await post(path, body);
    expect(json.error.message).toContain(message);
    expect(status).toBe(400);
  });

  it('refuses other content types, actions and methods', async () => {
    expect(await post('/retry', '{}', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
    expect(await post('/explode', {})).toMatchObject({
      status: expect.toSatisfy((n: number) => n === 404 || n === 405),
    });
    expect(await fetchAnswer(`${servers.url}/admin/v1/tasks/retry`, { method: 'PUT' })).toMatchObject({ status: 405 });
    expect(await get('/nonsense')).toMatchObject({ status: 404, json: { error: { status: 'NOT_FOUND' } } });
  });
});

describe('/admin/v1/webhooks', () => {
  const webhooks = (path: string, options?: Parameters<typeof fetchAnswer>[1]) =>
    fetchAnswer(`${servers.url}/admin/v1/webhooks${path}`, options);
  const act = (path: string, body: unknown) => {
    const headers = { 'content-type': 'application/json' };
    return webhooks(path, { method: 'POST', headers, body: JSON.stringify(body) });
  };
  const uid = '00000000-0000-4000-8000-000000000000';

  it('lists, pages and reports, also where there is nothing', async () => {
    expect(await webhooks('')).toMatchObject({ status: 200, json: { webhooks: [] } });
    expect(await webhooks('/endpoints')).toMatchObject({ status: 200, json: { endpoints: [] } });
    expect(await webhooks('/deliveries?state=dead&since=2026-11-22T02:30:00%2B01:00')).toMatchObject({
      ...{ status: 200, json: { deliveries: [] } },
    });
    expect(await act('/resend', { ids: [`${uid}_3`] })).toMatchObject({
      ...{ status: 200, json: { results: [{ delivery: `${uid}_3`, outcome: 'refused', code: 'NOT_FOUND' }] } },
    });
    expect(await act('/recover', { endpoint: 'https://example.com', dryRun: true })).toMatchObject({
      ...{ status: 200, json: { results: [] } },
    });
  });

  it.each([`/${uid}`, `/deliveries/${uid}_1`, '/nonsense', '/deliveries/nonsense'])(
    'has nothing at %s, and says so',
    async (path) => {
      const { status, json } = await webhooks(path);
      expect(status).toBe(404);
      expect(json.error).toMatchObject({ status: 'NOT_FOUND', details: [{ reason: 'WEBHOOK_NOT_FOUND' }] });
    },
  );

  it.each([
    ['?task=x', 'task must be a UUID'],
    ['?endpoint=example.com', 'endpoint must be an origin such as'],
    ['?endpoint=file:///etc', 'endpoint must be an origin such as'],
    ['?disabled=perhaps', 'disabled must be true or false'],
    ['?secret=1', 'secret is not known here; there are tenant, task'],
    ['?cursor=WyJhIiwiYiJd', 'cursor is not one that this server issued'],
    [`?cursor=${Buffer.from(JSON.stringify(['a', 'acme', uid, 'x'])).toString('base64url')}`, 'cursor is not one'],
    [
      `/endpoints?cursor=${Buffer.from(JSON.stringify(['a', 'acme', '\0'])).toString('base64url')}`,
      'cursor is not one',
    ],
    ['/endpoints?tenant=a/b', 'tenant must be 1 to 64 letters'],
    ['/deliveries?state=new', 'state must be one of pending, delivered, dead, skipped'],
    ['/deliveries?since=yesterday', 'since must be a time such as'],
    ['/deliveries?since=2026-13-22T02:30:00Z', 'since must be a time such as'],
    ['/deliveries?webhook=1', 'webhook must be a UUID'],
    [`/${uid}?tenant=acme`, 'tenant is not known here'],
  ])('refuses GET %s, and names the field and the fact', async (path, message) => {
    const { status, json } = await webhooks(path);
    expect(json.error.message).toContain(message);
    expect(status).toBe(400);
  });

  it.each([
    ['/resend', {}, 'ids is required'],
    ['/resend', { ids: ['x'] }, 'ids[0] must be the id of a delivery'],
    ['/resend', { ids: Array.from({ length: 4 }, (_, n) => `${uid}_${n + 1}`) }, 'ids must be a list of 1 to 3'],
    ['/recover', { since: '24h' }, 'since must be a time'],
    ['/recover', { state: 'delivered' }, 'state is not known here'],
    ['/test', {}, 'webhook is required'],
    ['/rotate', { webhook: uid, keep: '8d' }, 'keep must be at most 7d'],
    ['/rotate', { webhook: uid, keep: -1 }, 'keep must be a duration'],
    ['/enable', {}, 'webhook is required, or endpoint'],
    ['/enable', { webhook: uid, endpoint: 'https://example.com' }, 'endpoint cannot be given beside webhook'],
    ['/enable', { webhook: uid, tenant: 'acme' }, 'tenant is for an endpoint'],
  ])('refuses POST %s %j, and names the field and the fact', async (path, body, message) => {
    const { status, json } = await act(path, body);
    expect(json.error.message).toContain(message);
    expect(status).toBe(400);
  });

  it('answers those alone who may be the operator', async () => {
    expect(await rawGet(servers.url, { host: 'attacker.example' }, '/admin/v1/webhooks')).toMatchObject({
      status: 403,
    });
  });
});

describe('a caller who may not be the operator', () => {
  it.each([
    ['x-forwarded-for', '203.0.113.7'],
    ['forwarded', 'for=127.0.0.1'],
    ['via', '1.1 proxy'],
    ['x-real-ip', '127.0.0.1'],
    ['x-forwarded-proto', 'https'],
    ['true-client-ip', '127.0.0.1'],
    ['origin', 'https://attacker.example'],
    ['origin', 'null'],
    ['sec-fetch-site', 'cross-site'],
    ['host', 'attacker.example'],
    ['host', '127.0.0.1.attacker.example'],
  ])('is refused for its header %s: %s', async (name, value) => {
    const { status, text } = await rawGet(servers.url, { [name]: value });
    expect(status).toBe(403);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 403, status: 'PERMISSION_DENIED' } });
  });

  it.each([['localhost'], ['127.0.0.1:8080'], ['[::1]:80']])('is let through as %s', async (host) => {
    expect(await rawGet(servers.url, { host })).toMatchObject({ status: 200 });
  });
});

describe('a server that others reach', () => {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
  const reachable = useServers(1, { host: '0.0.0.0', allowPublic: true });

  it('answers operators on loopback alone, whatever a caller from elsewhere says of itself', async () => {
    expect(outside, 'an address of this machine that is not loopback').toBeDefined();
    const { port } = new URL(reachable.url);
    expect(await rawGet(`http://127.0.0.1:${port}`)).toMatchObject({ status: 200 });
    for (const headers of [{}, { host: 'localhost' }, { host: '127.0.0.1' }] as Record<string, string>[]) {
      const { status, text } = await rawGet(`http://${outside}:${port}`, headers);
      expect(status).toBe(403);
      expect(text).toContain('loopback only');
    }
  });
});

describe('a server with PERDURE_ADMIN=false', () => {
  const closed = useServers(1, { adminApi: false });

  it('has nothing for operators', async () => {
    expect(await rawGet(closed.url)).toMatchObject({ status: 404 });
  });
});

/** With any headers, which fetch would not let through. */
function rawGet(
  url: string,
  headers: Record<string, string> = {},
  path = '/admin/v1/tasks?agent=echo',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}${path}`, { headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    call.on('error', reject).end();
  });
}
