import { describe, expect, it } from 'vitest';
import { HttpJsonClient, mediaType } from '../support/http-json.js';
import { useScriptedServer } from '../support/scripted-operations.js';

const { server, calls } = await useScriptedServer();
const client = new HttpJsonClient(server.url);

const message = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'hello' }] };

describe('a body', () => {
  const types = [
    'application/json',
    'application/a2a+json',
    'Application/JSON; charset=utf-8',
    'text/plain',
    undefined,
  ];

  it.each(types)('may be empty where the path says all, as %s', async (type) => {
    const headers = { 'content-type': type };
    for (const path of ['/tasks/t-1:cancel', '/tasks/t-1:subscribe', '/tasks/t-1/subscribe']) {
      const lines = Object.entries({
        host: 'x',
        'a2a-version': '1.0',
        'content-length': '0',
        connection: 'close',
        ...headers,
      });
      const head = lines.map(([name, value]) => (value === undefined ? '' : `${name}: ${value}\r\n`)).join('');
      expect(await server.raw(`POST ${path} HTTP/1.1\r\n${head}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
      expect(calls.at(-1)).toMatchObject({ request: { id: 't-1' } });
    }
  });

  it('may be an empty object there, and say again what the path says', async () => {
    for (const body of [{}, { id: 't-1' }, { id: '' }, { id: null }, { metadata: { a: 1 } }]) {
      expect((await client.request('POST', '/tasks/t-1:cancel', { body })).status).toBe(200);
    }
  });

  it.each([
    [undefined, undefined],
    ['application/json', ''],
    ['application/json', '{}'],
    ['application/json', '{"reason":"none"}'],
    ['text/plain', 'because'],
  ])('of a DELETE is not looked at (%s, %j)', async (type, body) => {
    const path = '/tasks/t-1/pushNotificationConfigs/p-1';
    const { status, text } = await client.request('DELETE', path, { body, headers: { 'content-type': type } });
    expect({ status, text }).toEqual({ status: 200, text: '{}' });
  });

  it.each(['application/json', 'application/a2a+json', 'APPLICATION/A2A+JSON;charset=UTF-8'])(
    'may be %s',
    async (type) => {
      const headers = { 'content-type': type };
      expect((await client.request('POST', '/message:send', { body: { message }, headers })).status).toBe(200);
    },
  );

  it.each([
    ['text/plain', {}],
    ['application/x-www-form-urlencoded', {}],
    ['application/json-seq', {}],
    ['json', {}],
    [undefined, {}],
    ['application/json', { 'content-encoding': 'gzip' }],
  ])('that is %s with %j is refused before it is read', async (type, more) => {
    const headers = { 'content-type': type, ...more };
    for (const path of ['/message:send', '/message:stream', '/tasks/t-1:cancel']) {
      const { status, headers: got, json } = await client.request('POST', path, { body: 'no JSON', headers });
      expect(status).toBe(415);
      expect(mediaType(got)).toBe('application/json');
      expect(json.error.code).toBe(415);
      expect(json.error.status).toBe('INVALID_ARGUMENT');
      expect(json.error.details[0].reason).toBe('CONTENT_TYPE_NOT_SUPPORTED');
      expect(calls).toEqual([]);
    }
  });

  it('that has another content type says so as A2A does', async () => {
    const options = { body: 'x', headers: { 'content-type': 'text/plain' } };
    const { json } = await client.request('POST', '/message:send', options);
    expect(json.error.message).toBe('Content-Type must be application/json or application/a2a+json, it is text/plain');
    expect(json.error.details).toEqual([
      {
        '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
        reason: 'CONTENT_TYPE_NOT_SUPPORTED',
        domain: 'a2a-protocol.org',
      },
    ]);
  });

  it.each([
    ['no JSON', '{"message":'],
    ['not UTF-8', Buffer.from('{"message":"\xff"}', 'latin1')],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ])('that is %s is refused', async (_case, body) => {
    const headers = { 'content-type': 'application/json' };
    const { status, json } = await client.request('POST', '/message:send', { body, headers });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
  });

  it.each([
    ['empty', '', 'message'],
    ['null', 'null', ''],
    ['an array', '[]', ''],
    ['a text', '"x"', ''],
    ['without parts', { message: { ...message, parts: [] } }, 'message.parts'],
    ['of other types', { message: { ...message, messageId: 1 } }, 'message.messageId'],
    ['with a NUL', { message: { ...message, messageId: 'a\0' } }, 'message.messageId'],
    ['with half a character', '{"message":{"messageId":"\\ud800"}}', 'message.messageId'],
    ['with two names for one field', '{"message":{"messageId":"a","message_id":"b"}}', 'message.messageId'],
  ])('that is %s is refused by the field', async (_case, body, field) => {
    const headers = { 'content-type': 'application/json' };
    const { status, json } = await client.request('POST', '/message:send', { body, headers });
    expect(status).toBe(400);
    expect(json.error.details[0]['@type']).toBe('type.googleapis.com/google.rpc.BadRequest');
    expect(json.error.details[0].fieldViolations[0].field ?? '').toBe(field);
    expect(calls).toEqual([]);
  });

  it('may have unknown fields, names of every object among them, and snake_case names', async () => {
    const body = `{"__proto__":{"tenant":"x"},"constructor":1,"new":[{}],"message":{"message_id":"m","role":"ROLE_USER","parts":[{"text":"a"}]}}`;
    const headers = { 'content-type': 'application/json' };
    expect((await client.request('POST', '/message:send', { body, headers })).status).toBe(200);
    expect(calls.at(-1)).toMatchObject({ request: { tenant: '', message: { messageId: 'm' } } });
  });

  it.each([
    ['nested without end', `{"message":{"metadata":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}}`, 400],
    ['of 20 MB', `{"message":"${'x'.repeat(20 * 1024 * 1024)}"}`, 413],
  ])('that is %s is refused', async (_case, body, status) => {
    const options = { body, headers: { 'content-type': 'application/json' } };
    for (const path of ['/message:send', '/tasks/t-1:cancel']) {
      const answer = await client.request('POST', path, options);
      expect(answer.status).toBe(status);
      expect(mediaType(answer.headers)).toBe('application/json');
      expect(answer.json.error.code).toBe(status);
    }
  });
});

describe('the content type of an answer', () => {
  it.each([
    [{}, 'application/json'],
    [{ accept: '*/*' }, 'application/json'],
    [{ accept: 'application/json' }, 'application/json'],
    [{ accept: 'application/a2a+json, application/json' }, 'application/a2a+json'],
    [{ 'content-type': 'application/a2a+json' }, 'application/a2a+json'],
    [{ 'content-type': 'application/a2a+json', accept: 'application/json' }, 'application/json'],
  ])('for %j is %s, that of errors too', async (headers, expected) => {
    const sent = await client.request('POST', '/message:send', { body: { message }, headers });
    const refused = await client.request('POST', '/message:send', { body: { message: {} }, headers });
    const large = await client.request('POST', '/message:send', { body: 'x'.repeat(20 * 1024 * 1024), headers });
    expect([sent, refused, large].map(({ status }) => status)).toEqual([200, 400, 413]);
    for (const answer of [sent, refused, large]) expect(mediaType(answer.headers)).toBe(expected);
  });
});
