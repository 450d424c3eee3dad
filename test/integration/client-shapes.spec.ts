import { randomBytes, randomUUID } from 'node:crypto';
import { type DescMessage } from '@bufbuild/protobuf';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AgentCardSchema,
  ListTaskPushNotificationConfigsResponseSchema,
  ListTasksResponseSchema,
  SendMessageResponseSchema,
  StreamResponseSchema,
  TaskPushNotificationConfigSchema,
  TaskSchema,
} from '#protocol';
import { strangeMembers } from '../support/exact-fields.js';
import { useServers } from '../support/in-process-server.js';
import { wire, type WireAnswer, type WireRequest } from '../support/wire-request.js';

// What released clients of 1.0 send, as they shape it.

const servers = useServers(1, { secretKeys: [randomBytes(32)] });

const JSON_TYPE = { 'content-type': 'application/json' };
const V1 = { 'a2a-version': '1.0' };
/** A name that no resolver knows (RFC 6761): nothing is ever sent there. */
const HOOK = 'https://webhook.invalid/';

/** An address below the echo agent. */
const at = (path: string) => `${servers.url}/agents/echo${path}`;

function message(text = 'Hello', fields: object = {}) {
  return { messageId: randomUUID(), role: 'ROLE_USER', parts: [{ text }], ...fields };
}

/** Exactly 200, and nothing in it that the message has no field for. */
function expectExact(answer: WireAnswer, schema: DescMessage): void {
  expect(answer.status).toBe(200);
  expect(strangeMembers(schema, answer.json)).toEqual([]);
}

/** The result of a JSON-RPC answer that has nothing but what it must. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function resultOf(json: Record<string, unknown>, id: unknown, schema: DescMessage): any {
  expect(Object.keys(json).sort()).toEqual(['id', 'jsonrpc', 'result']);
  expect([json.jsonrpc, json.id]).toEqual(['2.0', id]);
  expect(strangeMembers(schema, json.result)).toEqual([]);
  return json.result;
}

function rpc(method: string, id: unknown, params: object, { headers = {} }: WireRequest = {}): WireRequest {
  const body = JSON.stringify({ jsonrpc: '2.0', id, method, params });
  return { headers: { ...JSON_TYPE, ...V1, ...headers }, body };
}

it('a strict parser refuses what its message has no field for, however deep it stands', () => {
  const status = { state: 'TASK_STATE_WORKING', message: null, lease: 1 };
  const artifacts = [{ artifactId: 'a', parts: [{ text: 'x', kind: 'text' }], metadata: { kind: 1 } }];
  expect(strangeMembers(TaskSchema, { id: 't', context_id: 'c', status, artifacts })).toEqual([
    'Task.context_id',
    'Task.status.message is null',
    'Task.status.lease',
    'Task.artifacts[0].parts[0].kind',
  ]);
});

let ended: string;
beforeAll(async () => {
  const { json } = await wire(at('/message:send'), {
    headers: { ...JSON_TYPE, ...V1 },
    body: JSON.stringify({ message: message() }),
  });
  ended = json.task.id;
});

describe('the Go client', () => {
  const go = { ...V1, accept: 'application/json' };

  it('has its uuid and plain application/json back over JSON-RPC, without asking for a type', async () => {
    const id = randomUUID();
    const answer = await wire(at(''), rpc('SendMessage', id, { message: message() }));
    expect([answer.status, answer.contentType]).toEqual([200, expect.stringMatching(/^application\/json/)]);
    resultOf(answer.json, id, SendMessageResponseSchema);
  });

  it('has exactly 200 and application/json for every success over HTTP+JSON', async () => {
    const body = JSON.stringify({ message: message() });
    const sent = await wire(at('/message:send'), { headers: { ...go, ...JSON_TYPE }, body });
    const task = await wire(at(`/tasks/${ended}`), { method: 'GET', headers: go });
    const tasks = await wire(at('/tasks?pageSize=2'), { method: 'GET', headers: go });
    expectExact(sent, SendMessageResponseSchema);
    expectExact(task, TaskSchema);
    expectExact(tasks, ListTasksResponseSchema);
    for (const { contentType } of [sent, task, tasks]) expect(contentType).toMatch(/^application\/json/);
  });

  it('names the time filter of ListTasks lastUpdatedAfter', async () => {
    const future = encodeURIComponent(new Date(Date.now() + 3_600_000).toISOString());
    const past = encodeURIComponent(new Date(0).toISOString());
    const none = await wire(at(`/tasks?lastUpdatedAfter=${future}`), { method: 'GET', headers: go });
    const some = await wire(at(`/tasks?lastUpdatedAfter=${past}`), { method: 'GET', headers: go });
    expect([none.json.totalSize, some.json.totalSize > 0]).toEqual([0, true]);
  });

  it('cancels and subscribes by a POST without a body', async () => {
    const canceled = await wire(at(`/tasks/${ended}:cancel`), { headers: go });
    expect([canceled.status, canceled.json.error.status]).toEqual([400, 'FAILED_PRECONDITION']);
    const refused = await wire(at(`/tasks/${ended}:subscribe`), { headers: { ...V1, accept: 'text/event-stream' } });
    expect([refused.status, refused.json.error.details[0].reason]).toEqual([400, 'UNSUPPORTED_OPERATION']);
  });

  it('has exactly 200 and JSON for every operation on webhooks, and asks without a body but to create', async () => {
    const authentication = { scheme: 'Bearer', credentials: 'c' };
    const config = { tenant: '', id: 'go', taskId: ended, url: HOOK, token: 't', authentication };
    const all = at(`/tasks/${ended}/pushNotificationConfigs`);
    const made = await wire(all, { headers: { ...go, ...JSON_TYPE }, body: JSON.stringify(config) });
    const got = await wire(`${all}/go`, { method: 'GET', headers: go });
    const list = await wire(all, { method: 'GET', headers: go });
    const gone = await wire(`${all}/go`, { method: 'DELETE', headers: go });
    for (const answer of [made, got]) expectExact(answer, TaskPushNotificationConfigSchema);
    expectExact(list, ListTaskPushNotificationConfigsResponseSchema);
    expect([gone.status, gone.json]).toEqual([200, {}]);
    for (const { contentType } of [made, got, list, gone]) expect(contentType).toMatch(/^application\/json/);
    expect(list.json.configs).toContainEqual(got.json);
  });

  it('reads errors, whose type must begin with application/json', async () => {
    const { status, contentType, json } = await wire(at('/tasks/unknown'), { method: 'GET', headers: go });
    expect([status, contentType]).toEqual([404, expect.stringMatching(/^application\/json/)]);
    expect(Object.keys(json)).toEqual(['error']);
    expect(Object.keys(json.error).sort()).toEqual(['code', 'details', 'message', 'status']);
    expect(json.error).toMatchObject({
      ...{ code: 404, status: 'NOT_FOUND' },
      details: [{ reason: 'TASK_NOT_FOUND', domain: 'a2a-protocol.org' }],
    });
  });

  it('reads events, one JSON document on each data line', async () => {
    const headers = { ...V1, ...JSON_TYPE, accept: 'text/event-stream' };
    const { status, events } = await wire(at('/message:stream'), {
      ...{ headers, body: JSON.stringify({ message: message() }) },
    });
    expect([status, Object.keys(events[0])]).toEqual([200, ['task']]);
    expect(events.flatMap((event) => strangeMembers(StreamResponseSchema, event))).toEqual([]);
  });
});

describe('the Python client', () => {
  const python = { ...V1, 'a2a-extensions': 'https://example.com/a,https://example.com/b' };
  const sse = { accept: 'text/event-stream', 'cache-control': 'no-store' };

  it.each(['', '/'])('takes the address as the card has it, %j at its end, and follows no redirect', async (end) => {
    const { status, json } = await wire(
      at(end),
      rpc('SendMessage', 'id-1', { message: message() }, { headers: python }),
    );
    expect(status).toBe(200);
    resultOf(json, 'id-1', SendMessageResponseSchema);
  });

  it('parses every field of card, task, list and events strictly', async () => {
    const card = await wire(at('/.well-known/agent-card.json'), { method: 'GET', headers: V1 });
    expectExact(card, AgentCardSchema);
    expectExact(await wire(at(`/tasks/${ended}`), { method: 'GET', headers: V1 }), TaskSchema);
    const list = await wire(at(''), rpc('ListTasks', 'l', { includeArtifacts: true }));
    resultOf(list.json, 'l', ListTasksResponseSchema);
    const params = { message: message() };
    const { events } = await wire(at(''), rpc('SendStreamingMessage', 's', params, { headers: { ...python, ...sse } }));
    expect(events.length).toBeGreaterThan(2);
    for (const event of events) resultOf(event, 's', StreamResponseSchema);
  });

  it('cancels by a POST with JSON, and subscribes by one without a body', async () => {
    const headers = { ...python, ...JSON_TYPE };
    const canceled = await wire(at(`/tasks/${ended}:cancel`), { headers, body: JSON.stringify({ id: ended }) });
    expect(canceled.json.error.details[0].reason).toBe('TASK_NOT_CANCELABLE');
    const refused = await wire(at(`/tasks/${ended}:subscribe`), { headers: { ...python, ...sse } });
    expect(refused.json.error.details[0].reason).toBe('UNSUPPORTED_OPERATION');
  });

  it.each([undefined, '{}'])('deletes with the body %s, and has JSON back', async (body) => {
    const url = at(`/tasks/${ended}/pushNotificationConfigs/c`);
    const { status, json } = await wire(url, { method: 'DELETE', headers: { ...python, ...JSON_TYPE }, body });
    expect([status, json]).toEqual([200, {}]);
  });

  it('makes a webhook without what it leaves empty, and parses each answer strictly', async () => {
    const config = { taskId: ended, id: 'python', url: HOOK, authentication: { scheme: 'Basic', credentials: 'dTpw' } };
    const made = await wire(at(''), rpc('CreateTaskPushNotificationConfig', 'p', config, { headers: python }));
    expect(resultOf(made.json, 'p', TaskPushNotificationConfigSchema).authentication).toEqual({ scheme: 'Basic' });
    const list = await wire(at(''), rpc('ListTaskPushNotificationConfigs', 'p', { taskId: ended }));
    resultOf(list.json, 'p', ListTaskPushNotificationConfigsResponseSchema);
    const gone = await wire(at(''), rpc('DeleteTaskPushNotificationConfig', 'p', { taskId: ended, id: 'python' }));
    expect(gone.json.result).toEqual({});
  });

  it('sends a webhook with a message, which has no task yet', async () => {
    const configuration = { taskPushNotificationConfig: { id: 'inline', url: HOOK, token: 't' } };
    const sent = await wire(at(''), rpc('SendMessage', 's', { message: message(), configuration }));
    const { id } = resultOf(sent.json, 's', SendMessageResponseSchema).task;
    const got = await wire(at(''), rpc('GetTaskPushNotificationConfig', 'g', { taskId: id, id: 'inline' }));
    expect(resultOf(got.json, 'g', TaskPushNotificationConfigSchema)).toEqual({ taskId: id, id: 'inline', url: HOOK });
  });

  it('sends fields that it knows and we do not', async () => {
    const params = { message: message('x', { futureField: { a: 1 } }), futureOption: true };
    const { json } = await wire(at(''), rpc('SendMessage', 'f', params));
    expect(resultOf(json, 'f', SendMessageResponseSchema).task.status.state).toBe('TASK_STATE_COMPLETED');
  });
});

describe('the Java client', () => {
  it('sends an empty tenant in the params of everything', async () => {
    const card = await wire(at(''), rpc('GetExtendedAgentCard', 1, { tenant: '' }));
    expect(card.json).toMatchObject({ id: 1, error: { code: -32004 } });
    const list = await wire(at(''), rpc('ListTasks', 2, { tenant: '' }));
    resultOf(list.json, 2, ListTasksResponseSchema);
    const task = await wire(at(''), rpc('GetTask', 3, { tenant: '', id: ended }));
    expect(resultOf(task.json, 3, TaskSchema).id).toBe(ended);
  });

  it.each([
    ['a number', 7],
    ['zero', 0],
    ['a text', '7'],
    ['an empty text', ''],
    ['a uuid', randomUUID()],
  ])('has its id back as %s, in answers and in errors', async (_, id) => {
    const answer = await wire(at(''), rpc('GetTask', id, { id: ended }));
    expect(answer.json.id).toBe(id);
    const refused = await wire(at(''), rpc('GetTask', id, { id: 'unknown' }));
    expect(Object.keys(refused.json).sort()).toEqual(['error', 'id', 'jsonrpc']);
    expect([refused.json.id, refused.json.error.code]).toEqual([id, -32001]);
  });

  it('writes everything that a webhook has, empty as it may be, in as many lines as it likes', async () => {
    const config = {
      tenant: '',
      id: 'java',
      taskId: ended,
      url: HOOK,
      token: '',
      authentication: { scheme: 'Bearer' },
    };
    const body = JSON.stringify(config, undefined, 2);
    const made = await wire(at(`/tasks/${ended}/pushNotificationConfigs`), { headers: { ...V1, ...JSON_TYPE }, body });
    expectExact(made, TaskPushNotificationConfigSchema);
    const over = await wire(at(''), rpc('CreateTaskPushNotificationConfig', 1, config));
    expect(resultOf(over.json, 1, TaskPushNotificationConfigSchema)).toEqual(made.json);
  });

  it('looks for the card of a tenant below the tenant', async () => {
    const card = await wire(at('/acme_1.x-y/.well-known/agent-card.json'), { method: 'GET', headers: V1 });
    expectExact(card, AgentCardSchema);
    expect(card.json.supportedInterfaces[0].url).toBe(at('/acme_1.x-y'));
  });

  it('has a tenant in front of the path over HTTP+JSON', async () => {
    const body = JSON.stringify({ tenant: 'acme', message: message() });
    const sent = await wire(at('/acme/message:send'), { headers: { ...V1, ...JSON_TYPE }, body });
    expectExact(sent, SendMessageResponseSchema);
    const read = await wire(at(`/acme/tasks/${sent.json.task.id}`), { method: 'GET', headers: V1 });
    expect(read.json.id).toBe(sent.json.task.id);
    expect((await wire(at(`/tasks/${sent.json.task.id}`), { method: 'GET', headers: V1 })).status).toBe(404);
  });
});

describe('the Rust client', () => {
  it('subscribes by GET, and at the older path where that is refused', async () => {
    const headers = { ...V1, accept: 'text/event-stream' };
    for (const path of [`/tasks/${ended}:subscribe`, `/tasks/${ended}/subscribe`]) {
      const { status, json } = await wire(at(path), { method: 'GET', headers });
      expect([path, status, json.error.details[0].reason]).toEqual([path, 400, 'UNSUPPORTED_OPERATION']);
    }
  });

  it('writes whole numbers with a fraction', async () => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"ListTasks","params":{"pageSize":2.0,"historyLength":0.0}}`;
    const { json } = await wire(at(''), { headers: { ...JSON_TYPE, ...V1 }, body });
    expect(resultOf(json, 1, ListTasksResponseSchema).pageSize).toBe(2);
  });

  it('keeps whole numbers in data whole', async () => {
    const parts = [{ data: { n: 7, big: 9_007_199_254_740_991, half: 0.5 } }];
    const { json } = await wire(at(''), rpc('SendMessage', 1, { message: message('', { parts }) }));
    expect(resultOf(json, 1, SendMessageResponseSchema).task.history[0].parts).toEqual(parts);
  });
});

describe('any client', () => {
  it.each([
    ['without params', {}],
    ['with params of null', { params: null }],
    ['with empty params', { params: {} }],
  ])('calls %s what requires none', async (_, params) => {
    const call = async (method: string) => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, ...params });
      return (await wire(at(''), { headers: { ...JSON_TYPE, ...V1 }, body })).json;
    };
    resultOf(await call('ListTasks'), 1, ListTasksResponseSchema);
    expect((await call('GetExtendedAgentCard')).error.code).toBe(-32004);
    const refused = await call('GetTask');
    expect(refused.error).toMatchObject({ code: -32602, data: [{ fieldViolations: [{ field: 'id' }] }] });
  });

  it('may put a slash behind the list of webhooks', async () => {
    const list = await wire(at(`/tasks/${ended}/pushNotificationConfigs/`), { method: 'GET', headers: V1 });
    expectExact(list, ListTaskPushNotificationConfigsResponseSchema);
  });

  it.each(['/tasks/', '/extendedAgentCard/'])('may put a slash behind %s', async (path) => {
    const { status } = await wire(at(path), { method: 'GET', headers: V1 });
    expect(status).toBe(path === '/tasks/' ? 200 : 400);
  });
});
