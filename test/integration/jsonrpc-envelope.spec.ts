import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { useScriptedServer } from '../support/scripted-operations.js';

const { server, calls } = await useScriptedServer();

const getTask = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 't-1' } };
const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hello' }] };

describe('the envelope', () => {
  it.each([
    ['not JSON', '{"jsonrpc":', -32700, null],
    ['no body', '', -32700, null],
    ['bytes that are not UTF-8', Buffer.from('{"jsonrpc":"2.0","id":1,"method":"\xff"}', 'latin1'), -32700, null],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), -32700, null],
    ['a batch', [getTask], -32600, null],
    ['an empty batch', [], -32600, null],
    ['a string', '"hello"', -32600, null],
    ['null', 'null', -32600, null],
    ['jsonrpc 1.0', { ...getTask, jsonrpc: '1.0' }, -32600, 1],
    ['jsonrpc as a number', { ...getTask, jsonrpc: 2 }, -32600, 1],
    ['no jsonrpc', { ...getTask, jsonrpc: undefined }, -32600, 1],
    ['no id', { ...getTask, id: undefined }, -32600, null],
    ['a fraction as id', { ...getTask, id: 1.5 }, -32600, null],
    ['an id beyond 2^53', '{"jsonrpc":"2.0","id":12345678901234567890,"method":"GetTask"}', -32600, null],
    ['an object as id', { ...getTask, id: {} }, -32600, null],
    ['true as id', { ...getTask, id: true }, -32600, null],
    ['an id without end', { ...getTask, id: 'x'.repeat(1025) }, -32600, null],
    ['no method', { ...getTask, method: undefined }, -32600, 1],
    ['a method that is no string', { ...getTask, method: ['GetTask'] }, -32600, 1],
    ['an unknown method', { ...getTask, method: 'message/send' }, -32601, 1],
    ['a method named like a property of every object', { ...getTask, method: 'constructor' }, -32601, 1],
    ['the local name of a method', { ...getTask, method: 'getTask' }, -32601, 1],
    ['params that are an array', { ...getTask, params: ['t'] }, -32602, 1],
    ['params that are a string', { ...getTask, params: 't' }, -32602, 1],
  ])('refuses %s', async (_case, sent, code, id) => {
    const answer = await server.post(sent);

    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ jsonrpc: '2.0', id, error: { code } });
    expect(answer.body).not.toHaveProperty('result');
    expect(calls).toEqual([]);
  });

  it.each(['text/plain', 'application/a2a+json', 'application/x-www-form-urlencoded', undefined])(
    'refuses content type %s before it reads the body',
    async (type) => {
      const { status, body } = await server.post('not json', { headers: { 'content-type': type } });
      expect(status).toBe(200);
      expect(body).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32005 } });
      expect(body.error.data[0]).toMatchObject({
        reason: 'CONTENT_TYPE_NOT_SUPPORTED',
        domain: 'a2a-protocol.org',
      });
    },
  );

  it('refuses a content type that is none', async () => {
    const { status, body } = await server.post(getTask, { headers: { 'content-type': 'json' } });
    expect(status).toBe(415);
    expect(body).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32005 } });
  });

  it('refuses a compressed body', async () => {
    const { body } = await server.post(getTask, { headers: { 'content-encoding': 'gzip' } });
    expect(body.error.code).toBe(-32005);
  });

  it.each(['application/json; charset=utf-8', 'Application/JSON'])('takes content type %s', async (type) => {
    expect((await server.post(getTask, { headers: { 'content-type': type } })).body.result).toBeDefined();
  });

  it('names every missing field by its path', async () => {
    const params = { message: { role: 'ROLE_USER', parts: [] } };
    const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params });
    expect(body.error.code).toBe(-32602);
    const [detail] = body.error.data;
    expect(detail['@type']).toBe('type.googleapis.com/google.rpc.BadRequest');
    expect(detail.fieldViolations.map(({ field }: { field: string }) => field)).toEqual([
      'message.messageId',
      'message.parts',
    ]);
  });

  it('names a field of the wrong type by its path', async () => {
    const params = { message: { ...message, parts: [{ text: 'a' }, { text: 5 }] } };
    const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params });
    expect(body.error.data[0].fieldViolations[0].field).toBe('message.parts[1].text');
  });
});

describe('hostile bodies', () => {
  it('answers 413 to a body over the limit and stays usable on the same connection', async () => {
    const answer = await server.post(`{"a":"${'x'.repeat(20 * 1024 * 1024)}"}`);
    expect(answer.status).toBe(413);
    expect(answer.body).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32600 } });
    expect(answer.body.error.message).toContain('10485760');
    expect((await server.post(getTask)).status).toBe(200);
  });

  it('answers 413 to a body over the limit that does not say its length', async () => {
    const body = Readable.from(Array.from({ length: 300 }, () => Buffer.alloc(0x10000, 'x')));
    const answer = await server.post(body);
    expect(answer.status).toBe(413);
    expect(answer.body.error.code).toBe(-32600);
  });

  it.each([
    ['arrays', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['objects', '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)],
  ])('refuses %s nested 100,000 deep', async (_case, nested) => {
    const { body } = await server.post(`{"jsonrpc":"2.0","id":1,"method":"ListTasks","params":{"x":${nested}}}`);
    expect(body.error.code).toBe(-32602);
  });

  it('refuses a NUL character and half a surrogate pair by their path', async () => {
    for (const bad of ['\u0000', '\ud800']) {
      const params = { message: { ...message, parts: [{ text: `a${bad}` }] } };
      const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params });
      expect(body.error.code).toBe(-32602);
      expect(body.error.data[0].fieldViolations[0].field).toBe('message.parts[0].text');
    }
  });

  it('is not misled by members that name the prototype', async () => {
    const { body } = await server.post('{"__proto__":{"jsonrpc":"2.0","id":1,"method":"GetTask"}}');
    expect(body.error.code).toBe(-32600);
    await server.post('{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"t","__proto__":{"tenant":"x"}}}');
    expect(calls.at(-1)?.context.tenant).toBe('default');
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('tenant');
  });
});
