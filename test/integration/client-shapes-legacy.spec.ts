import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { v03 } from '#protocol';
import { legacyFaults, strangeMembers } from '../support/exact-fields.js';
import { useServers } from '../support/in-process-server.js';
import { wire, type WireRequest } from '../support/wire-request.js';

// What released clients of 0.3 send, as they shape it: none of them names a version.

const servers = useServers(1, { secretKeys: [randomBytes(32)] });

/** An address below the echo agent. */
const at = (path: string) => `${servers.url}/agents/echo${path}`;

const JSON_TYPE = { 'content-type': 'application/json' };
/** A name that no resolver knows (RFC 6761): nothing is ever sent there. */
const HOOK = 'https://webhook.invalid/';

function message(text = 'Hello', fields: object = {}) {
  return { kind: 'message', messageId: randomUUID(), role: 'user', parts: [{ kind: 'text', text }], ...fields };
}

function rpc(method: string, id: unknown, params?: object, headers: Record<string, string> = {}): WireRequest {
  return { headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ id, jsonrpc: '2.0', method, params }) };
}

/** The result of a JSON-RPC answer that has nothing but what it must. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function resultOf(json: Record<string, unknown>, id: unknown): any {
  expect(Object.keys(json).sort()).toEqual(['id', 'jsonrpc', 'result']);
  expect(json.id).toBe(id);
  return json.result;
}

function faultsOfEvent(event: { kind: string }): string[] {
  const types = {
    task: 'Task',
    message: 'Message',
    'status-update': 'TaskStatusUpdateEvent',
    'artifact-update': 'TaskArtifactUpdateEvent',
  } as const;
  return legacyFaults(types[event.kind as keyof typeof types], event);
}

describe('the inspector', () => {
  it('fetches the card without a version, and finds all that 0.3 requires of it', async () => {
    const { status, json } = await wire(at('/.well-known/agent-card.json'), { method: 'GET' });
    expect(status).toBe(200);
    // Its parser passes over what 0.3 does not know.
    expect(legacyFaults('AgentCard', json, 'ignored')).toEqual([]);
    expect(json).toMatchObject({ url: at(''), preferredTransport: 'JSONRPC', protocolVersion: '0.3.0' });
    expect(json.additionalInterfaces).toContainEqual({ url: at(''), transport: 'JSONRPC' });
    for (const { transport } of json.additionalInterfaces)
      expect(['JSONRPC', 'GRPC', 'HTTP+JSON']).toContain(transport);
  });

  it('sends with headers of its own and modes that no agent gives alone', async () => {
    const id = randomUUID();
    const contextId = randomUUID();
    const params = {
      message: message('Hello', { contextId, metadata: {} }),
      configuration: { acceptedOutputModes: ['text/plain', 'video/mp4'] },
      metadata: {},
    };
    const { status, json } = await wire(at(''), rpc('message/send', id, params, { 'x-custom': 'a' }));
    expect(status).toBe(200);
    const task = resultOf(json, id);
    expect(legacyFaults('Task', task)).toEqual([]);
    expect(task).toMatchObject({ contextId, status: { state: 'completed' } });
  });

  it('streams, and each event is one that 0.3 knows, the last one final', async () => {
    const id = randomUUID();
    const headers = { accept: 'text/event-stream', 'cache-control': 'no-store' };
    const { status, events } = await wire(at(''), rpc('message/stream', id, { message: message() }, headers));
    expect(status).toBe(200);
    const results = events.map((event) => resultOf(event, id));
    expect(results.flatMap(faultsOfEvent)).toEqual([]);
    expect(results[0].kind).toBe('task');
    expect(results.filter(({ final }) => final)).toEqual([results.at(-1)]);
  });
});

describe('a client of 0.3 that asks for a stream', () => {
  const headers = { accept: 'text/event-stream' };

  it.each([
    ['a task that is not there', 'tasks/resubscribe', { id: 'unknown' }, -32001],
    ['a message that is none', 'message/stream', {}, -32602],
    ['a method that is none', 'tasks/stream', {}, -32601],
  ])('reads in it that it asked for %s', async (_, method, params, code) => {
    const { status, events } = await wire(at(''), rpc(method, 'r', params, headers));
    expect(status).toBe(200);
    expect(events).toEqual([{ jsonrpc: '2.0', id: 'r', error: expect.objectContaining({ code }) }]);
  });

  it('has its errors as JSON where it takes that too, and in 1.0', async () => {
    const both = { accept: 'text/event-stream, application/json' };
    for (const others of [both, {}, { ...headers, 'a2a-version': '1.0' }]) {
      const { json } = await wire(at(''), rpc('nothing', 'r', {}, others));
      expect(json.error.code).toBe(-32601);
    }
  });
});

describe('the ADK', () => {
  it('falls back to the older path of the card, at the root too', async () => {
    for (const base of [servers.url, at('')]) {
      const { status, json } = await wire(`${base}/.well-known/agent.json`, { method: 'GET' });
      expect([status, json.name, legacyFaults('AgentCard', json, 'ignored')]).toEqual([200, 'Echo', []]);
    }
  });

  it('sends without streaming, a long context id with every message, and parts with metadata', async () => {
    const contextId = `ADK/app/user/${'s'.repeat(300)}`;
    const parts = [
      { kind: 'text', text: 'Hello', metadata: { adk_thought: true } },
      { kind: 'data', data: { id: 'call-1', args: { a: 1 } }, metadata: { adk_type: 'function_call' } },
    ];
    const params = { message: message('', { contextId, parts }) };
    const { json } = await wire(at(''), rpc('message/send', 'r', params));
    const task = resultOf(json, 'r');
    expect(legacyFaults('Task', task)).toEqual([]);
    expect([task.contextId, task.history[0].parts]).toEqual([contextId, parts]);
  });
});

describe('users of LangGraph and AgentCore', () => {
  let ended: string;
  beforeAll(async () => {
    ended = resultOf((await wire(at(''), rpc('message/send', 1, { message: message() }))).json, 1).id;
  });

  it.each([1, '1', randomUUID()])('read tasks under the request id %j', async (id) => {
    const { json } = await wire(at(''), rpc('tasks/get', id, { id: ended, historyLength: 10, metadata: {} }));
    const task = resultOf(json, id);
    expect([task.id, legacyFaults('Task', task)]).toEqual([ended, []]);
  });

  it('know the errors of 0.3 by their codes', async () => {
    const codes = async (method: string, params?: object) =>
      (await wire(at(''), rpc(method, 1, params))).json.error?.code as number;
    const config = { taskId: 'unknown', pushNotificationConfig: { url: HOOK } };
    expect(await codes('tasks/get', { id: 'unknown' })).toBe(-32001);
    expect(await codes('tasks/cancel', { id: ended })).toBe(-32002);
    expect(await codes('tasks/pushNotificationConfig/set', config)).toBe(-32001);
    expect(await codes('tasks/pushNotificationConfig/set', { taskId: ended })).toBe(-32602);
    expect(await codes('tasks/pushNotificationConfig/get', { id: ended })).toBe(-32001);
    expect(await codes('tasks/pushNotificationConfig/list', { id: 'unknown' })).toBe(-32001);
    expect(await codes('tasks/pushNotificationConfig/delete', { id: ended })).toBe(-32602);
    expect(await codes('tasks/get', {})).toBe(-32602);
    expect(await codes('tasks/unknown', {})).toBe(-32601);
    // Without params: 0.3 defines none for it.
    expect([-32004, -32007]).toContain(await codes('agent/getAuthenticatedExtendedCard'));
  });
});

describe('the Python client of 0.3 over HTTP+JSON', () => {
  const sse = { accept: 'text/event-stream' };

  it('sends messages of package a2a.v1, and parses them strictly', async () => {
    const content = [{ text: 'Hello' }];
    const request = { message: { messageId: 'm', role: 'ROLE_USER', content }, configuration: { blocking: true } };
    const send = { headers: JSON_TYPE, body: JSON.stringify(request) };
    const sent = await wire(at('/v1/message:send'), send);
    expect([sent.status, strangeMembers(v03.SendMessageResponseSchema, sent.json)]).toEqual([200, []]);
    expect(sent.json.task.status).toMatchObject({ state: 'TASK_STATE_COMPLETED', message: { content } });
    const streamed = await wire(at('/v1/message:stream'), { ...send, headers: { ...JSON_TYPE, ...sse } });
    expect(streamed.events.flatMap((event) => strangeMembers(v03.StreamResponseSchema, event))).toEqual([]);
    expect(streamed.events.at(-1)).toMatchObject({ statusUpdate: { final: true } });

    const read = await wire(at(`/v1/tasks/${sent.json.task.id}?historyLength=1`), { method: 'GET' });
    expect([read.status, strangeMembers(v03.TaskSchema, read.json)]).toEqual([200, []]);
    const subscribed = await wire(at(`/v1/tasks/${sent.json.task.id}:subscribe`), { method: 'GET', headers: sse });
    expect(subscribed.events).toMatchObject([{ task: { id: sent.json.task.id } }]);
  });

  it.each(['p', undefined])('sets a webhook of the id %s as a whole request, and parses it strictly', async (id) => {
    const message = { messageId: 'm', role: 'ROLE_USER', content: [{ text: 'Hello' }] };
    const body = JSON.stringify({ message, configuration: { blocking: true } });
    const task = (await wire(at('/v1/message:send'), { headers: JSON_TYPE, body })).json.task.id as string;
    const name = `tasks/${task}/pushNotificationConfigs/${id ?? ''}`;
    const authentication = { schemes: ['Bearer'], credentials: 'c' };
    const config = { name, pushNotificationConfig: { id, url: HOOK, token: 't', authentication } };
    const set = { parent: `tasks/${task}`, configId: id, config };
    const all = at(`/v1/tasks/${task}/pushNotificationConfigs`);
    const made = await wire(all, { headers: JSON_TYPE, body: JSON.stringify(set) });
    expect([made.status, strangeMembers(v03.TaskPushNotificationConfigSchema, made.json)]).toEqual([200, []]);
    expect(made.json.name).toBe(`tasks/${task}/pushNotificationConfigs/${id ?? task}`);
    const got = await wire(`${all}/${id ?? task}`, { method: 'GET' });
    expect([got.status, got.json]).toEqual([200, made.json]);
  });

  it('has a body of null for nothing, as the Go client of 0.3 writes it', async () => {
    const url = at('/v1/tasks/01900000-0000-7000-8000-000000000000/pushNotificationConfigs/c');
    const { status, json } = await wire(url, { method: 'DELETE', headers: JSON_TYPE, body: 'null' });
    expect([status, json.code]).toEqual([404, -32001]);
  });
});
