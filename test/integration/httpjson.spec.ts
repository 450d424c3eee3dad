import { describe, expect, it } from 'vitest';
import { HttpJsonClient, mediaType } from '../support/http-json.js';
import { TASK, useScriptedServer, WEBHOOK } from '../support/scripted-operations.js';

const { server, calls } = await useScriptedServer();
const client = new HttpJsonClient(server.url);

const message = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'hello' }] };

const webhook = { id: 'p-1', url: 'https://example.com/' };

const UNARY = [
  {
    ask: 'POST /message:send',
    body: { message },
    operation: 'sendMessage',
    request: { message: { messageId: 'm-1' } },
    answer: { task: TASK },
  },
  { ask: 'GET /tasks/t-1', operation: 'getTask', request: { id: 't-1' }, answer: TASK },
  {
    ask: 'GET /tasks',
    operation: 'listTasks',
    request: {},
    answer: { tasks: [TASK], nextPageToken: '', pageSize: 50, totalSize: 1 },
  },
  { ask: 'POST /tasks/t-1:cancel', operation: 'cancelTask', request: { id: 't-1' }, answer: TASK },
  {
    ask: 'POST /tasks/t-1/pushNotificationConfigs',
    body: webhook,
    operation: 'createTaskPushNotificationConfig',
    request: { ...webhook, taskId: 't-1' },
    answer: WEBHOOK,
  },
  {
    ask: 'GET /tasks/t-1/pushNotificationConfigs',
    operation: 'listTaskPushNotificationConfigs',
    request: { taskId: 't-1' },
    answer: { configs: [WEBHOOK] },
  },
  {
    ask: 'GET /tasks/t-1/pushNotificationConfigs/p-1',
    operation: 'getTaskPushNotificationConfig',
    request: { taskId: 't-1', id: 'p-1' },
    answer: WEBHOOK,
  },
  {
    ask: 'DELETE /tasks/t-1/pushNotificationConfigs/p-1',
    operation: 'deleteTaskPushNotificationConfig',
    request: { taskId: 't-1', id: 'p-1' },
    answer: {},
  },
  { ask: 'GET /extendedAgentCard', operation: 'getExtendedAgentCard', request: {}, answer: { name: 'Extended' } },
];

const STREAMING = [
  {
    ask: 'POST /message:stream',
    body: { message },
    operation: 'sendStreamingMessage',
    request: { message: { messageId: 'm-1' } },
  },
  { ask: 'POST /tasks/t-1:subscribe', operation: 'subscribeToTask', request: { id: 't-1' } },
  { ask: 'GET /tasks/t-1:subscribe', operation: 'subscribeToTask', request: { id: 't-1' } },
  { ask: 'POST /tasks/t-1/subscribe', operation: 'subscribeToTask', request: { id: 't-1' } },
  { ask: 'GET /tasks/t-1/subscribe', operation: 'subscribeToTask', request: { id: 't-1' } },
];

describe.each([
  ['', { agent: 'echo', tenant: 'default' }],
  ['/agents/other', { agent: 'other', tenant: 'default' }],
  ['/acme', { agent: 'echo', tenant: 'acme' }],
  ['/acme%2Fother', { agent: 'other', tenant: 'acme' }],
  ['/%2Fother', { agent: 'other', tenant: 'default' }],
  ['/agents/other/acme', { agent: 'other', tenant: 'acme' }],
  ['/agents/other/acme%2Fother', { agent: 'other', tenant: 'acme' }],
])('below "%s"', (base, context) => {
  it.each(UNARY)('$ask calls $operation', async ({ ask, body, operation, request, answer }) => {
    const [method, path] = ask.split(' ') as ['GET', string];
    for (const slash of ['', '/']) {
      const { status, headers, json } = await client.request(method, base + path + slash, { body });
      expect(status).toBe(200);
      expect(mediaType(headers)).toBe('application/json');
      expect(json).toMatchObject(answer);
      expect(calls.at(-1)).toMatchObject({ operation, request, context });
    }
  });

  it.each(STREAMING)('$ask calls $operation', async ({ ask, body, operation, request }) => {
    const [method, path] = ask.split(' ') as ['GET', string];
    for (const slash of ['', '/']) {
      const { status, headers, text } = await client.request(method, base + path + slash, { body });
      expect(status).toBe(200);
      expect(headers['content-type']).toBe('text/event-stream');
      expect(text).toBe(`id: 1\ndata: ${JSON.stringify({ task: TASK })}\n\n`);
      expect(calls.at(-1)).toMatchObject({ operation, request, context });
    }
  });
});

describe('an address', () => {
  it.each([
    ['POST', '/message%3Asend', { message }, 'sendMessage', {}],
    ['POST', '/message%3asend/', { message }, 'sendMessage', {}],
    ['POST', '/agents/other/message%3Asend', { message }, 'sendMessage', {}],
    ['POST', '/tasks/t-1%3Acancel', undefined, 'cancelTask', { id: 't-1' }],
    ['POST', '/tasks/t-1%3acancel', undefined, 'cancelTask', { id: 't-1' }],
    ['GET', '/tasks/a%2Fb%20c%3Fd%25e%23%C3%BC', undefined, 'getTask', { id: 'a/b c?d%e#ü' }],
    ['POST', '/tasks/a%2Fb%20c%3Fd%25e:cancel', undefined, 'cancelTask', { id: 'a/b c?d%e' }],
    ['GET', '/tasks/a:b', undefined, 'getTask', { id: 'a:b' }],
    ['GET', '/tasks/a%253Ab', undefined, 'getTask', { id: 'a%3Ab' }],
    ['POST', '/tasks/a:cancel:cancel', undefined, 'cancelTask', { id: 'a:cancel' }],
    ['POST', '/tasks/a-b.c_d:cancel', undefined, 'cancelTask', { id: 'a-b.c_d' }],
    ['GET', '/tasks/t-1?tenant=', undefined, 'getTask', { id: 't-1' }],
    ['GET', '/tasks/t-1?id=t-1', undefined, 'getTask', { id: 't-1' }],
    ['GET', '/tasks/tasks', undefined, 'getTask', { id: 'tasks' }],
    ['GET', '/tasks/__proto__', undefined, 'getTask', { id: '__proto__' }],
    [
      'GET',
      '/tasks/a%2Fb/pushNotificationConfigs/c%2Fd',
      undefined,
      'getTaskPushNotificationConfig',
      { taskId: 'a/b', id: 'c/d' },
    ],
  ] as const)('%s %s (body %j) is understood as %s', async (method, path, body, operation, request) => {
    expect((await client.request(method, path, { body })).status).toBe(200);
    expect(calls.at(-1)).toMatchObject({ operation, request });
  });

  it.each([
    ['GET', '/agents/nobody/tasks', undefined],
    ['GET', '/agents/other/acme%2Fecho/tasks', undefined],
    ['POST', '/agents/nobody/message:send', 'not even JSON'],
    ['POST', '/acme/tasks/t-1:cancel', { tenant: 'globex' }],
    ['GET', '/acme/tasks?tenant=globex', undefined],
  ] as const)(
    '%s %s (body %j) where nobody is served is answered like a task that is not there',
    async (method, path, body) => {
      const { status, json } = await client.request(method, path, { body });
      expect(status).toBe(404);
      expect(json.error).toMatchObject({ code: 404, status: 'NOT_FOUND', details: [{ reason: 'TASK_NOT_FOUND' }] });
      expect(calls).toEqual([]);
    },
  );

  it('takes the tenant from the query too', async () => {
    await client.call('GET', '/tasks/t-1?tenant=acme%2Fother');
    expect(calls[0]?.context).toMatchObject({ tenant: 'acme', agent: 'other' });
  });

  it.each([
    ['POST', '/tasks/t-1:cancel', { id: 't-2' }, 'id'],
    ['POST', '/tasks/t-1:subscribe', { id: 't-2' }, 'id'],
    ['GET', '/tasks/t-1?id=t-2', undefined, 'id'],
    ['POST', '/tasks/t-1/pushNotificationConfigs', { taskId: 't-2', url: 'https://x/' }, 'taskId'],
    ['POST', '/tasks/t-1/pushNotificationConfigs', { task_id: 't-2', url: 'https://x/' }, 'taskId'],
    ['DELETE', '/tasks/t-1/pushNotificationConfigs/p-1?id=p-2', undefined, 'id'],
    ['GET', '/tasks/t-1/pushNotificationConfigs/p-1?task_id=t-2', undefined, 'taskId'],
    ['GET', '/tasks/a%00b', undefined, 'id'],
    ['POST', '/%20acme/message:send', { message }, 'tenant'],
  ] as const)('%s %s (body %j) is refused for its %s', async (method, path, body, field) => {
    const { status, json } = await client.request(method, path, { body });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
    expect(json.error.details[0].fieldViolations[0].field).toBe(field);
    expect(calls).toEqual([]);
  });

  it.each([
    ['PUT', '/message:send', 'POST'],
    ['GET', '/message:send', 'POST'],
    ['POST', '/tasks/t-1', 'GET, HEAD'],
    ['DELETE', '/acme/tasks', 'GET, HEAD'],
    ['PATCH', '/tasks/t-1:subscribe', 'GET, HEAD, POST'],
    ['OPTIONS', '/tasks/t-1/pushNotificationConfigs/p-1/', 'DELETE, GET, HEAD'],
    ['POST', '/extendedAgentCard/more', undefined],
    ['GET', '/tasks/t-1/nothing', undefined],
  ] as const)('%s %s is answered in JSON, and with the verbs that are served: %s', async (method, path, allow) => {
    const { status, headers, json } = await client.request(method, path);
    expect(status).toBe(allow === undefined ? 404 : 405);
    expect(mediaType(headers)).toBe('application/json');
    expect(headers.allow).toBe(allow);
    expect(json.error).toMatchObject({ code: status, status: status === 404 ? 'NOT_FOUND' : 'UNIMPLEMENTED' });
  });

  it('answers HEAD like GET, without a body', async () => {
    const { status, headers, text } = await client.request('HEAD', '/tasks/t-1');
    expect({ status, text }).toEqual({ status: 200, text: '' });
    expect(mediaType(headers)).toBe('application/json');
    expect(Number(headers['content-length'])).toBe(JSON.stringify(TASK).length);
  });

  it('that is too long is refused', async () => {
    expect((await client.request('GET', `/tasks/${'x'.repeat(1_000)}`)).status).toBe(414);
  });

  it.each(['/tasks/%ff', '/tasks/%', '/tasks/%C0%AF:cancel'])('%s that is not UTF-8 is refused', async (path) => {
    const text = await server.raw(`GET ${path} HTTP/1.1\r\nhost: x\r\na2a-version: 1.0\r\nconnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":400/);
  });
});
