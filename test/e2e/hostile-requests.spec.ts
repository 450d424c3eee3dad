import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import { type CallOptions, envelope, fetchAnswer, type HttpAnswer } from '../support/json-rpc.js';

const servers = useServers(1, { maxPartsPerMessage: 3 });

function post(body: unknown, options?: CallOptions): Promise<HttpAnswer> {
  return servers.rpc('echo').post(body, options);
}

const part = { text: 'x' };
const message = { messageId: 'm', role: 'ROLE_USER', parts: [part] };

/** `depth` lists in each other. */
function nested(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth);
}

describe('what is no JSON-RPC request', () => {
  const request = { jsonrpc: '2.0', id: 'my-id', method: 'ListTasks', params: {} };

  it.each<[string, unknown, number, unknown?]>([
    ['an empty body', '', -32700],
    ['half a request', '{"jsonrpc": "2.0", "id"', -32700],
    ['a form', 'a=1&b=2', -32700],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), -32700],
    [
      'UTF-8 that ends too early',
      Buffer.from(JSON.stringify({ ...request, x: '☃' }).replace('☃"}', '')).subarray(0, -1),
      -32700,
    ],
    ['a batch', [request, request], -32600],
    ['an empty batch', [], -32600],
    ['a million lists in each other', nested(1_000_000), -32600],
    ['null', 'null', -32600],
    ['a text', '"ListTasks"', -32600],
    ['another version', { ...request, jsonrpc: '1.0' }, -32600, 'my-id'],
    ['no version', { ...request, jsonrpc: undefined }, -32600, 'my-id'],
    ['no id', { ...request, id: undefined }, -32600],
    ['an id that is a list', { ...request, id: [1] }, -32600],
    ['an id that is a fraction', { ...request, id: 1.5 }, -32600],
    ['no method', { ...request, method: undefined }, -32600, 'my-id'],
    ['a method that is a number', { ...request, method: 7 }, -32600, 'my-id'],
    ['an unknown method', { ...request, method: 'DropTasks' }, -32601, 'my-id'],
    ['a method of A2A 0.3', { ...request, method: 'message/send' }, -32601, 'my-id'],
    ["a name of JavaScript's own", { ...request, method: 'constructor' }, -32601, 'my-id'],
    ['the name in the wrong case', { ...request, method: 'listTasks' }, -32601, 'my-id'],
    ['params that are a list', { ...request, params: [1] }, -32602, 'my-id'],
    ['params that are a text', { ...request, params: 'all' }, -32602, 'my-id'],
  ])('%s is answered with its error', async (_, body, code, id = null) => {
    const { status, headers, json } = await post(body);
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^application\/json\b/);
    expect(json).toEqual({ jsonrpc: '2.0', id, error: expect.objectContaining({ code, message: expect.any(String) }) });
  });

  it('a body of another content type or encoding is answered with -32005', async () => {
    const text = await post(envelope('ListTasks'), { headers: { 'content-type': 'text/plain' } });
    expect(text.json.error).toMatchObject({ code: -32005, data: [{ reason: 'CONTENT_TYPE_NOT_SUPPORTED' }] });
    const none = await post('x', { headers: { 'content-type': undefined } });
    expect(none.json.error.code).toBe(-32005);
    const zipped = await post(envelope('ListTasks'), { headers: { 'content-encoding': 'gzip' } });
    expect(zipped.json.error.code).toBe(-32005);
  });

  it('a body of 20 MB is refused in the shape of JSON-RPC, declared or not', async () => {
    const body = JSON.stringify({ ...request, padding: 'x'.repeat(20 * 1024 * 1024) });
    const refusal = { status: 413, json: { jsonrpc: '2.0', id: null, error: { code: -32600 } } };
    expect(await post(body)).toMatchObject(refusal);
    const chunked = {
      method: 'POST' as const,
      headers: { 'content-type': 'application/json' },
      body: Readable.from([body]),
    };
    expect(await fetchAnswer(servers.url, chunked)).toMatchObject(refusal);
  });

  it('a valid request of 9 MB is served', async () => {
    const text = 'x'.repeat(9 * 1024 * 1024);
    const { json } = await post(envelope('SendMessage', { message: { ...message, parts: [{ text }] } }));
    expect(json.result.task.history[0].parts[0].text).toBe(text);
    // To give it back, the agent would need an event as large, and an event has a smaller bound.
    expect(json.result.task.status.state).toBe('TASK_STATE_FAILED');
  });
});

describe('a message with', () => {
  const withPart = (fields: object) => ({ message: { ...message, parts: [part, fields] } });

  it.each<[string, unknown, string]>([
    ['nothing in it', {}, 'message'],
    ['another type', { message: 'Hello' }, 'message'],
    ['no id', { message: { ...message, messageId: undefined } }, 'message.messageId'],
    ['an id that is a number', { message: { ...message, messageId: 7 } }, 'message.messageId'],
    ['no role', { message: { ...message, role: undefined } }, 'message.role'],
    ['an unknown role', { message: { ...message, role: 'ROLE_KING' } }, 'message.role'],
    ["the agent's role", { message: { ...message, role: 'ROLE_AGENT' } }, 'message.role'],
    ['no parts', { message: { ...message, parts: [] } }, 'message.parts'],
    ['parts that are no list', { message: { ...message, parts: part } }, 'message.parts'],
    ['more parts than allowed', { message: { ...message, parts: [part, part, part, part] } }, 'message.parts'],
    ['a part without content', withPart({ filename: 'x' }), 'message.parts[1]'],
    ['a part that is null', { message: { ...message, parts: [null] } }, 'message.parts[0]'],
    ['a part with two contents', withPart({ text: 'a', url: 'https://example.com' }), 'message.parts[1]'],
    ['a text that is a number', withPart({ text: 1 }), 'message.parts[1].text'],
    ['a file that is not base64', withPart({ raw: '%%%' }), 'message.parts[1].raw'],
    ['metadata that is a list', { message: { ...message, metadata: [] } }, 'message.metadata'],
    ['a NUL in a text', withPart({ text: 'a\0b' }), 'message.parts[1].text'],
    ['half a character', withPart({ text: 'a\ud800' }), 'message.parts[1].text'],
    ['a context id with a NUL', { message: { ...message, contextId: '\0' } }, 'message.contextId'],
    ['extensions that are a text', { message: { ...message, extensions: 'x' } }, 'message.extensions'],
    [
      'a history length that is a text',
      { message, configuration: { historyLength: 'x' } },
      'configuration.historyLength',
    ],
    ['a negative history length', { message, configuration: { historyLength: -1 } }, 'configuration.historyLength'],
    [
      'a flag that is a text',
      { message, configuration: { returnImmediately: 'yes' } },
      'configuration.returnImmediately',
    ],
    ['request metadata that is a text', { message, metadata: 'x' }, 'metadata'],
    ['a tenant that is none', { message, tenant: 'a b' }, 'tenant'],
  ])('%s is refused, and the refusal names the field', async (_, params, field) => {
    const { json } = await post(envelope('SendMessage', params));
    expect(json.error).toMatchObject({ code: -32602, message: expect.stringContaining(field) });
    const [badRequest] = json.error.data;
    expect(badRequest['@type']).toBe('type.googleapis.com/google.rpc.BadRequest');
    expect(badRequest.fieldViolations.map((violation: { field: string }) => violation.field)).toContain(field);
  });

  it('everything wrong at once is told of everything', async () => {
    const { json } = await post(envelope('SendMessage', { message: { parts: [{}] } }));
    const fields = json.error.data[0].fieldViolations.map((violation: { field: string }) => violation.field);
    expect(fields).toEqual(expect.arrayContaining(['message.messageId', 'message.role']));
  });

  it('data that is nested too deeply is refused, and the refusal stays short', async () => {
    const body = JSON.stringify(envelope('SendMessage', withPart({ data: 'DEEP' }))).replace('"DEEP"', nested(100_000));
    const { json, text } = await post(body);
    expect(json.error.code).toBe(-32602);
    expect(json.error.data[0].fieldViolations[0].field).toMatch(/^message\.parts\[1\]\.data/);
    expect(text.length).toBeLessThan(2_000);
  });

  it('data as deep as allowed comes back as it was', async () => {
    const data = JSON.parse(nested(50)) as object;
    const task = await servers.rpc('echo').send({ data });
    expect(task.status?.message?.parts).toEqual([{ data }]);
  });

  it('fields that no A2A knows is taken without them', async () => {
    const odd = { ...message, surprise: true, parts: [{ ...part, kind: 'text' }] };
    const { json } = await post(envelope('SendMessage', { message: odd, more: 1 }));
    expect(json.result.task.history[0].parts).toEqual([part]);
    expect(json.result.task.history[0]).not.toHaveProperty('surprise');
  });

  it("names of JavaScript's own keeps them as data", async () => {
    const data = JSON.parse('{"__proto__": {"admin": true}, "constructor": 1, "toString": null}') as object;
    const { json } = await post(`{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m",
      "role":"ROLE_USER","parts":[{"data":${JSON.stringify(data)}}]}}}`);
    expect(JSON.stringify(json.result.task.status.message.parts[0].data)).toBe(JSON.stringify(data));
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe('a question about tasks with', () => {
  it.each<[string, string, unknown, string]>([
    ['no id', 'GetTask', {}, 'id'],
    ['an id that is a number', 'GetTask', { id: 5 }, 'id'],
    ['a negative history length', 'GetTask', { id: 'x', historyLength: -1 }, 'historyLength'],
    ['a page of nothing', 'ListTasks', { pageSize: 0 }, 'pageSize'],
    ['a page that is too large', 'ListTasks', { pageSize: 101 }, 'pageSize'],
    ['a page size that is a text', 'ListTasks', { pageSize: 'all' }, 'pageSize'],
    ['a state of another spelling', 'ListTasks', { status: 'working' }, 'status'],
    ['a page token of its own making', 'ListTasks', { pageToken: 'W10=' }, 'pageToken'],
    ['a time that is none', 'ListTasks', { statusTimestampAfter: 'yesterday' }, 'statusTimestampAfter'],
    ['no id to cancel', 'CancelTask', {}, 'id'],
    ['no id to follow', 'SubscribeToTask', { id: '' }, 'id'],
  ])('%s is refused, and the refusal names the field', async (_, method, params, field) => {
    const { json } = await post(envelope(method, params));
    expect(json.error.code).toBe(-32602);
    expect(json.error.data[0].fieldViolations).toEqual([expect.objectContaining({ field })]);
  });

  it.each(['x', "' or 1=1 --", '../..', '01900000-0000-7000-8000-000000000000', 'x'.repeat(200)])(
    'the id %s is answered like any task that is not there',
    async (id) => {
      for (const method of ['GetTask', 'CancelTask', 'SubscribeToTask']) {
        const { json } = await post(envelope(method, { id }));
        expect(json.error).toMatchObject({ code: -32001, data: [{ reason: 'TASK_NOT_FOUND' }] });
      }
    },
  );
});
