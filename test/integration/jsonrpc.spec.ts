import { create } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  A2AError,
  type CallContext,
  ListTasksResponseSchema,
  SendMessageResponseSchema,
  TaskSchema,
  TaskState,
} from '#protocol';
import { scriptedAgent, type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

let server: ScriptedServer;
let seen: { request: unknown; context: CallContext } | undefined;

beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server.close());
beforeEach(() => {
  seen = undefined;
  server.log.length = 0;
  server.script.getTask = async (request, context) => {
    seen = { request, context };
    const status = { state: TaskState.WORKING };
    return create(TaskSchema, { id: request.id, contextId: 'c', status });
  };
});

const getTask = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 't-1' } };
const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'hello' }] };

describe('a JSON-RPC call', () => {
  it('answers with the result of the operation', async () => {
    const answer = await server.post(getTask);

    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.body).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: { id: 't-1', contextId: 'c', status: { state: 'TASK_STATE_WORKING' } },
    });
  });

  it.each(['a string', '', 0, -7, Number.MAX_SAFE_INTEGER, null])('gives the id %j back as it came', async (id) => {
    expect((await server.post({ ...getTask, id })).body.id).toStrictEqual(id);
  });

  it('accepts params in either spelling, and ignores fields it does not know', async () => {
    await server.post({ ...getTask, params: { id: 't', history_length: 3, colour: 'red' } });
    expect(seen?.request).toMatchObject({ historyLength: 3 });
    await server.post({ ...getTask, params: { id: 't', historyLength: 4 } });
    expect(seen?.request).toMatchObject({ historyLength: 4 });
  });

  it.each([[{}], [{ params: null }], [{ params: {} }]])('takes %j where no param is required', async (params) => {
    server.script.listTasks = async () => create(ListTasksResponseSchema, {});
    const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'ListTasks', ...params });
    expect(body.result).toEqual({ tasks: [], nextPageToken: '', pageSize: 0, totalSize: 0 });
  });

  it('answers an operation without a result with an empty object', async () => {
    server.script.deleteTaskPushNotificationConfig = async () => create(EmptySchema);
    const params = { taskId: 't', id: 'p' };
    const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'DeleteTaskPushNotificationConfig', params });
    expect(body).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
  });

  it('takes a body in several network packets, split inside a character', async () => {
    const bytes = Buffer.from(JSON.stringify({ ...getTask, params: { id: 'grün' } }));
    const split = bytes.indexOf(0xc3) + 1;
    const head = `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\na2a-version: 1.0\r\n`;
    const chunk = (part: Buffer) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')];
    const chunks = [...chunk(bytes.subarray(0, split)), ...chunk(bytes.subarray(split)), Buffer.from('0\r\n\r\n')];
    const text = await server.raw(Buffer.concat([Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`), ...chunks]));
    expect(text).toContain('"id":"grün"');
  });

  it('aborts the operation when the client hangs up', async () => {
    const aborted = new Promise<void>((resolve) => {
      server.script.getTask = (_request, { signal }) => {
        socket.destroy();
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
            resolve();
          }),
        );
      };
    });
    const socket = server.open(getTask);
    await aborted;
    await server.post({ ...getTask, method: 'Nothing' });
    expect(server.log).toEqual([]);
  });
});

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
    expect(Object.keys(answer.body.error)).not.toContain('result');
    expect(seen).toBeUndefined();
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
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const head = 'POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n';
    const text = await server.raw(`${head}transfer-encoding: chunked\r\n\r\n${chunk.repeat(300)}0\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
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
    expect(seen?.context.tenant).toBe('default');
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('tenant');
  });
});

describe('the address', () => {
  it.each([
    ['/', undefined, 'default', 'echo'],
    ['/agents/other', undefined, 'default', 'other'],
    ['/agents/other/', undefined, 'default', 'other'],
    ['/acme', undefined, 'acme', 'echo'],
    ['/acme/', undefined, 'acme', 'echo'],
    ['/acme%2Fother', undefined, 'acme', 'other'],
    ['/%2Fother', undefined, 'default', 'other'],
    ['/agents/other/acme', undefined, 'acme', 'other'],
    ['/', 'acme', 'acme', 'echo'],
    ['/', 'acme/other', 'acme', 'other'],
    ['/', '/other', 'default', 'other'],
    ['/', '', 'default', 'echo'],
    ['/agents/other/a.B_c-9', 'a.B_c-9', 'a.B_c-9', 'other'],
    ['/agents/other/acme', 'acme/other', 'acme', 'other'],
  ])('%s with tenant %j is tenant %s of agent %s', async (path, tenant, expectedTenant, expectedAgent) => {
    await server.post({ ...getTask, params: { id: 't', tenant } }, { path });
    expect(seen?.context).toMatchObject({ tenant: expectedTenant, agent: expectedAgent });
  });

  it.each([
    ['/agents/nobody', undefined],
    ['/acme%2Fnobody', undefined],
    ['/', 'acme/nobody'],
    ['/acme', 'other-tenant'],
    ['/agents/echo', '/other'],
    ['/agents/echo/acme%2Fother', undefined],
  ])('%s with tenant %j is answered as not there', async (path, tenant) => {
    const { status, body } = await server.post({ ...getTask, params: { id: 't', tenant } }, { path });
    expect(status).toBe(404);
    expect(body).toMatchObject({ jsonrpc: '2.0', id: 1, error: { code: -32001 } });
    expect(seen).toBeUndefined();
  });

  it.each([
    ['/', 'a b'],
    ['/', 'a/b/c'],
    ['/', 'a/'],
    ['/', '/'],
    ['/', 'x'.repeat(65)],
    ['/', 'tenänt'],
    ['/a%20b', undefined],
  ])('%s with tenant %j is refused, naming the tenant', async (path, tenant) => {
    const { status, body } = await server.post({ ...getTask, params: { id: 't', tenant } }, { path });
    expect(status).toBe(200);
    expect(body.error.code).toBe(-32602);
    expect(body.error.data[0].fieldViolations[0].field).toBe('tenant');
  });
});

describe('the version', () => {
  it.each([
    [{ 'a2a-version': '1.0' }, '/'],
    [{ 'a2a-version': '1.0.7' }, '/'],
    [{ 'a2a-version': undefined }, '/?A2A-Version=1.0'],
    [{ 'a2a-version': '' }, '/?A2A-Version=1.0.1'],
    [{ 'a2a-version': '1.0' }, '/agents/other?A2A-Version=9.9'],
  ])('is served for %j at %s', async (headers, path) => {
    expect((await server.post(getTask, { headers, path })).body.result).toBeDefined();
  });

  it.each([
    [{ 'a2a-version': '99.0' }, '/', '99.0'],
    [{ 'a2a-version': '1.1' }, '/', '1.1'],
    [{ 'a2a-version': '1.0, 1.0' }, '/', '1.0, 1.0'],
    [{ 'a2a-version': undefined }, '/', '0.3'],
    [{ 'a2a-version': '' }, '/', '0.3'],
    [{ 'a2a-version': undefined }, '/?A2A-Version=1.0&A2A-Version=2.0', '1.0, 2.0'],
  ])('is refused for %j at %s', async (headers, path, requestedVersion) => {
    const { status, body } = await server.post(getTask, { headers, path });
    expect(status).toBe(200);
    expect(body.error.code).toBe(-32009);
    expect(body.error.data[0]).toMatchObject({ reason: 'VERSION_NOT_SUPPORTED', metadata: { requestedVersion } });
    expect(seen).toBeUndefined();
  });
});

describe('extensions', () => {
  const needed = 'https://example.com/needed/v1';
  const known = 'https://example.com/known/v1';
  let strict: ScriptedServer;

  beforeAll(async () => {
    const extensions = [{ uri: needed, required: true }, { uri: known }];
    const card = { name: 'Strict', description: 'd', version: '1', skills: [], capabilities: { extensions } };
    strict = await startScriptedServer({}, [scriptedAgent('strict', { card })]);
    strict.script.getTask = async (request, context) => {
      seen = { request, context };
      return create(TaskSchema, { id: request.id, status: { state: TaskState.WORKING } });
    };
  });
  afterAll(() => strict.close());

  it('are activated where agent and client name them, and echoed; others are ignored', async () => {
    const headers = { 'a2a-extensions': `${known} ,https://example.com/unknown, ${needed},` };
    const answer = await strict.post(getTask, { headers });
    expect(answer.body.result).toBeDefined();
    expect(answer.headers['a2a-extensions']).toBe(`${needed}, ${known}`);
    expect(seen?.context.extensions).toEqual([needed, known]);
  });

  it('are demanded where the card requires them', async () => {
    const { body, headers } = await strict.post(getTask, { headers: { 'a2a-extensions': known } });
    expect(body.error.code).toBe(-32008);
    expect(body.error.data[0]).toMatchObject({
      reason: 'EXTENSION_SUPPORT_REQUIRED',
      metadata: { extensions: needed },
    });
    expect(headers['a2a-extensions']).toBeUndefined();
    expect(seen).toBeUndefined();
  });

  it('leave no header behind where none is activated', async () => {
    const answer = await server.post(getTask, { headers: { 'a2a-extensions': 'https://example.com/unknown' } });
    expect(answer.headers['a2a-extensions']).toBeUndefined();
    expect(seen?.context.extensions).toEqual([]);
  });
});

describe('the idempotency key', () => {
  beforeEach(() => {
    server.script.sendMessage = async (request, context) => {
      seen = { request, context };
      return create(SendMessageResponseSchema, { payload: { case: 'task', value: create(TaskSchema, { id: 't' }) } });
    };
  });

  const send = (header: string | undefined, metadata?: object) =>
    server.post(
      { jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message, metadata } },
      { headers: { 'idempotency-key': header } },
    );

  it.each([
    ['a-key', undefined],
    [undefined, { 'idempotency-key': 'a-key' }],
    [undefined, { 'Idempotency-Key': 'a-key', other: 1 }],
    ['a-key', { 'IDEMPOTENCY-KEY': 'a-key' }],
  ])('comes from header %j and metadata %j', async (header, metadata) => {
    await send(header, metadata);
    expect(seen?.context.idempotencyKey).toBe('a-key');
  });

  it('is absent where nobody gives one', async () => {
    await send(undefined, { other: 'x' });
    expect(seen?.context.idempotencyKey).toBeUndefined();
  });

  it.each([
    ['', undefined, 'Idempotency-Key'],
    ['x'.repeat(256), undefined, 'Idempotency-Key'],
    ['schlüssel', undefined, 'Idempotency-Key'],
    ['one', { 'idempotency-key': 'two' }, 'Idempotency-Key'],
    [undefined, { 'idempotency-key': 5 }, 'metadata["idempotency-key"]'],
    [undefined, { 'Idempotency-Key': 'a\nb' }, 'metadata["Idempotency-Key"]'],
    [undefined, { 'Idempotency-Key': 'a', 'idempotency-key': 'b' }, 'Idempotency-Key'],
  ])('is refused as header %j with metadata %j', async (header, metadata, field) => {
    const { body } = await send(header, metadata);
    expect(body.error.code).toBe(-32602);
    expect(body.error.data[0].fieldViolations[0].field).toBe(field);
    expect(seen).toBeUndefined();
  });
});

describe('an operation that fails', () => {
  const failWith = (error: unknown) => {
    server.script.getTask = async () => {
      throw error;
    };
    return server.post(getTask);
  };

  it('is answered with its code, text and details', async () => {
    const { status, body } = await failWith(new A2AError('TASK_NOT_FOUND', { metadata: { taskId: 't-1' } }));
    expect(status).toBe(200);
    expect(body.error).toEqual({
      code: -32001,
      message: 'Task not found',
      data: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'TASK_NOT_FOUND',
          domain: 'a2a-protocol.org',
          metadata: { taskId: 't-1' },
        },
      ],
    });
  });

  it.each([
    ['RESOURCE_EXHAUSTED', 1_500, 429, '2'],
    ['RESOURCE_EXHAUSTED', undefined, 429, '1'],
    ['UNAVAILABLE', 200, 503, '1'],
    ['UNAVAILABLE', undefined, 503, undefined],
  ] as const)('as %s with a retry after %j ms has status %d', async (reason, retryAfterMs, status, header) => {
    const answer = await failWith(new A2AError(reason, { retryAfterMs }));
    expect(answer.status).toBe(status);
    expect(answer.headers['retry-after']).toBe(header);
    expect(answer.body.error.code).toBe(-32000);
  });

  it.each([
    ['an error', new Error('password is swordfish')],
    ['a string', 'swordfish'],
    ['an internal error with a text', new A2AError('INTERNAL_ERROR', { message: 'swordfish' })],
  ])('by throwing %s tells the client an error id alone, and the log the rest', async (_case, thrown) => {
    const { status, text, body } = await failWith(thrown);
    expect(status).toBe(200);
    expect(text).not.toContain('swordfish');
    expect(body.error).toMatchObject({ code: -32603, message: 'Internal error' });
    const [{ metadata }] = body.error.data;
    expect(server.log).toHaveLength(1);
    expect(server.log[0]).toMatchObject({
      errorId: metadata.errorId,
      method: 'GetTask',
      tenant: 'default',
      agent: 'echo',
    });
    expect(JSON.stringify(server.log[0])).toContain('swordfish');
  });
});
