import { once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { A2AError, ListTasksResponseSchema, TaskSchema } from '#protocol';
import { TASK, useScriptedServer } from '../support/scripted-operations.js';
import { startScriptedServer } from '../support/scripted-server.js';

const { server, calls } = await useScriptedServer();

const getTask = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 't-1' } };

describe('a JSON-RPC call', () => {
  it('answers with the result of the operation', async () => {
    const answer = await server.post(getTask);

    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.body).toEqual({
      jsonrpc: '2.0',
      id: 1,
      result: TASK,
    });
  });

  it.each(['a string', '', 0, -7, Number.MAX_SAFE_INTEGER, null])('gives the id %j back as it came', async (id) => {
    expect((await server.post({ ...getTask, id })).body.id).toStrictEqual(id);
  });

  it('accepts params in either spelling, and ignores fields it does not know', async () => {
    await server.post({ ...getTask, params: { id: 't', history_length: 3, colour: 'red' } });
    expect(calls.at(-1)?.request).toMatchObject({ historyLength: 3 });
    await server.post({ ...getTask, params: { id: 't', historyLength: 4 } });
    expect(calls.at(-1)?.request).toMatchObject({ historyLength: 4 });
  });

  it.each([[{}], [{ params: null }], [{ params: {} }]])('takes %j where no param is required', async (params) => {
    server.script.listTasks = async () => create(ListTasksResponseSchema, {});
    const { body } = await server.post({ jsonrpc: '2.0', id: 1, method: 'ListTasks', ...params });
    expect(body.result).toEqual({ tasks: [], nextPageToken: '', pageSize: 0, totalSize: 0 });
  });

  it('answers an operation without a result with an empty object', async () => {
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
    await server.raw(Buffer.concat([Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`), ...chunks]));
    expect(calls[0]?.request).toMatchObject({ id: 'grün' });
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

describe('a client', () => {
  it('that hangs up with two calls on one connection aborts both', async () => {
    const signals: AbortSignal[] = [];
    const both = new Promise<void>((resolve) => {
      server.script.getTask = async (_request, { signal }) => {
        if (signals.push(signal) === 2) resolve();
        await once(signal, 'abort');
        throw signal.reason;
      };
    });
    const socket = server.open(getTask);
    const body = JSON.stringify(getTask);
    const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\na2a-version: 1.0\r\n`;
    socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
    await both;
    const aborted = Promise.all(signals.map((signal) => once(signal, 'abort')));
    socket.destroy();
    await aborted;
  });

  it('that does not take its answer is dropped', async () => {
    const impatient = await startScriptedServer({ streamStallMs: 100 });
    const text = 'x'.repeat(50 * 1024 * 1024);
    impatient.script.getTask = async () => create(TaskSchema, { id: text });
    const connection = impatient.nextConnection();
    const socket = impatient.open(getTask).pause();
    await once(await connection, 'close');
    socket.destroy();
    await impatient.close();
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
    expect(calls.at(-1)?.context).toMatchObject({ tenant: expectedTenant, agent: expectedAgent });
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
    expect(calls).toEqual([]);
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
