import { describe, expect, it } from 'vitest';
import { useServers } from '../support/in-process-server.js';
import { envelope, fetchAnswer, type HttpAnswer, JsonRpcClient, messageOf, sendParams } from '../support/json-rpc.js';
import { Ledger } from '../support/ledger.js';
import { RawConnection } from '../support/raw-connection.js';
import { stateOf, upTo } from '../support/sse-client.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const servers = useServers(1, { keepAliveMs: 50 });
const UNKNOWN = '01900000-0000-7000-8000-000000000000';

/** Every operation, with params that would do. */
const OPERATIONS: Record<string, object> = {
  SendMessage: { message: messageOf('x') },
  SendStreamingMessage: { message: messageOf('x') },
  GetTask: { id: UNKNOWN },
  ListTasks: {},
  CancelTask: { id: UNKNOWN },
  SubscribeToTask: { id: UNKNOWN },
  CreateTaskPushNotificationConfig: { taskId: UNKNOWN, url: 'https://example.com' },
  GetTaskPushNotificationConfig: { taskId: UNKNOWN, id: 'c' },
  ListTaskPushNotificationConfigs: { taskId: UNKNOWN },
  DeleteTaskPushNotificationConfig: { taskId: UNKNOWN, id: 'c' },
  GetExtendedAgentCard: {},
};

function list(path: string, headers: Record<string, string | undefined> = {}): Promise<HttpAnswer> {
  return new JsonRpcClient(servers.url).post(envelope('ListTasks'), { path, headers });
}

describe('the version of the protocol', () => {
  it.each(['1.0', '1.0.0', '1.0.17', ' 1.0 '])('"%s" in the header is served', async (version) => {
    expect((await list('/', { 'a2a-version': version })).json.result).toBeDefined();
  });

  it('may stand in the query, where the header is absent or empty', async () => {
    expect((await list('/?A2A-Version=1.0', { 'a2a-version': undefined })).json.result).toBeDefined();
    expect((await list('/?A2A-Version=1.0.3', { 'a2a-version': '' })).json.result).toBeDefined();
    expect((await list('/?A2A-Version=0.3', { 'a2a-version': '1.0' })).json.result).toBeDefined();
  });

  it.each(['0.2.6', '0.4', '1.1', '2.0', '10', '99.0', 'latest', '1.0, 0.3'])(
    '%s is refused, and the refusal says what is supported',
    async (version) => {
      const { status, json } = await list('/', { 'a2a-version': version });
      expect(status).toBe(200);
      expect(json.error).toMatchObject({ code: -32009, data: [{ reason: 'VERSION_NOT_SUPPORTED' }] });
      expect(json.error.data[0].metadata.supportedVersions).toBe('1.0, 0.3');
    },
  );

  it.each([undefined, '', '0.3', '0.3.0'])('%s means 0.3, which has other methods', async (version) => {
    const { status, json } = await list('/', { 'a2a-version': version });
    expect(status).toBe(200);
    expect(json.error).toEqual({ code: -32601, message: expect.stringContaining('A2A-Version: 1.0') });
  });

  it.each(Object.entries(OPERATIONS))('is checked for %s', async (method, params) => {
    const { json } = await servers.rpc('echo').post(envelope(method, params), { headers: { 'a2a-version': '99.0' } });
    expect(json.error.code).toBe(-32009);
  });
});

describe('requests in every allowed form', () => {
  it('params may be absent, null or empty, and ids keep their type', async () => {
    for (const params of [undefined, null, {}]) {
      const { json } = await servers.rpc('strict').post(envelope('ListTasks', params), {
        headers: { 'a2a-extensions': 'https://example.com/strict' },
      });
      expect(json).toEqual({
        jsonrpc: '2.0',
        id: 1,
        result: { tasks: [], nextPageToken: '', pageSize: 50, totalSize: 0 },
      });
      const card = await servers.rpc('echo').post(envelope('GetExtendedAgentCard', params));
      expect(card.json.error).toMatchObject({ code: -32004, data: [{ reason: 'UNSUPPORTED_OPERATION' }] });
    }
    for (const id of ['abc', '', 0, -7, null]) {
      expect((await servers.rpc('echo').post({ ...envelope('ListTasks'), id })).json.id).toBe(id);
    }
  });

  it('fields may be written in the way of the proto', async () => {
    const { message } = sendParams('Hello');
    const snake = { message_id: message.messageId, role: 'ROLE_USER', parts: message.parts, context_id: 'snake' };
    const configuration = { history_length: 0 };
    const { json } = await servers.rpc('echo').post(envelope('SendMessage', { message: snake, configuration }));
    expect(json.result.task).toMatchObject({ contextId: 'snake', status: { state: 'TASK_STATE_COMPLETED' } });
    expect(json.result.task).not.toHaveProperty('history');
    const listed = await servers.rpc('echo').post(envelope('ListTasks', { context_id: 'snake', page_size: 1 }));
    expect(listed.json.result).toMatchObject({ pageSize: 1, totalSize: 1 });
  });

  it.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON'])('%s is JSON', async (type) => {
    expect((await list('/', { 'content-type': type })).json.result).toBeDefined();
  });
});

describe('errors', () => {
  it('carry an ErrorInfo of the protocol', async () => {
    const { status, headers, json } = await servers.rpc('echo').post(envelope('GetTask', { id: UNKNOWN }));
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(json).toEqual({
      jsonrpc: '2.0',
      id: 1,
      error: {
        code: -32001,
        message: 'Task not found',
        data: [
          {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            reason: 'TASK_NOT_FOUND',
            domain: 'a2a-protocol.org',
            metadata: { taskId: UNKNOWN },
          },
        ],
      },
    });
  });

  it.each(Object.keys(OPERATIONS).filter((name) => name.includes('Push')))(
    '%s is not supported, whether the task is there or not',
    async (method) => {
      const { json } = await servers.rpc('echo').post(envelope(method, OPERATIONS[method]));
      expect(json.error).toMatchObject({ code: -32003, data: [{ reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED' }] });
    },
  );

  it('of an address that is not served are JSON too', async () => {
    const nowhere = await servers.rpc('nobody').post(envelope('ListTasks'));
    expect(nowhere).toMatchObject({ status: 404, json: { error: { code: -32001 } } });
    const path = await fetchAnswer(`${servers.url}/a/b/c/d`);
    expect(path).toMatchObject({ status: 404, json: { error: { code: 404, status: 'NOT_FOUND' } } });
    const method = await fetchAnswer(`${servers.url}/agents/echo`, { method: 'PUT' });
    expect(method).toMatchObject({ status: 405, headers: { allow: 'POST' }, json: { error: { code: 405 } } });
  });
});

describe('agent cards', () => {
  it.each([
    ['', 'Echo', ''],
    ['/agents/echo', 'Echo', '/agents/echo'],
    ['/agents/csv-report', 'CSV report', '/agents/csv-report'],
    ['/acme', 'Echo', '/acme'],
    ['/acme%2Fflaky', 'Flaky', '/agents/flaky/acme'],
    ['/agents/flaky/acme', 'Flaky', '/agents/flaky/acme'],
  ])('of %s is at both of its names, and leads to an address that works', async (base, name, path) => {
    const [card, legacy] = await Promise.all(
      ['agent-card.json', 'agent.json'].map((file) => fetchAnswer(`${servers.url}${base}/.well-known/${file}`)),
    );
    expect(card!.status).toBe(200);
    expect(legacy!.text).toBe(card!.text);
    const [entry] = card!.json.supportedInterfaces;
    expect(card!.json.name).toBe(name);
    expect(entry).toEqual({ url: servers.url + path, protocolBinding: 'JSONRPC', protocolVersion: '1.0' });
    const { json } = await new JsonRpcClient(entry.url).post(envelope('ListTasks'));
    expect(json.result.pageSize).toBe(50);
  });

  it('can be cached, and asked for again by their tag or their time', async () => {
    const url = `${servers.url}/agents/echo/.well-known/agent-card.json`;
    const { headers, text } = await fetchAnswer(url);
    const { etag, 'last-modified': modified } = headers as Record<string, string>;
    expect(headers['cache-control']).toMatch(/max-age=\d+/);
    expect(headers.vary).toMatch(/a2a-version/i);
    for (const condition of [{ 'if-none-match': etag! }, { 'if-modified-since': modified! }]) {
      expect(await fetchAnswer(url, { headers: condition })).toMatchObject({
        status: 304,
        text: '',
        headers: { etag },
      });
    }
    expect(await fetchAnswer(url, { headers: { 'if-none-match': '"other"' } })).toMatchObject({ status: 200, text });
    expect(await fetchAnswer(url, { method: 'HEAD' })).toMatchObject({ status: 200, text: '', headers: { etag } });
  });

  it('are not there for whom nobody is', async () => {
    for (const path of ['/agents/nobody', '/agents/echo/acme%2Fflaky', '/a%20b']) {
      expect((await fetchAnswer(`${servers.url}${path}/.well-known/agent-card.json`)).status).toBe(404);
    }
  });
});

describe('streams', () => {
  it('are numbered SSE, one JSON-RPC answer a line, that no proxy holds back', async () => {
    const request = { ...envelope('SendStreamingMessage', sendParams('Hello')), id: 'mine' };
    const text = await (await RawConnection.post(`${servers.url}/agents/echo`, request)).read();
    const [head, ...body] = text.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    for (const line of ['content-type: text/event-stream', 'x-accel-buffering: no']) {
      expect(head!.toLowerCase().split('\r\n')).toContain(line);
    }
    expect(head).toMatch(/cache-control: no-cache/i);
    const lines = body.join('\r\n\r\n').split('\n');
    const ids = lines.filter((line) => line.startsWith('id: ')).map((line) => Number(line.slice(4)));
    const answers = lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6)));
    expect(ids).toEqual([1, 2, 3]);
    expect(answers.map((answer) => [answer.jsonrpc, answer.id, Object.keys(answer.result)])).toEqual([
      ['2.0', 'mine', ['task']],
      ['2.0', 'mine', ['statusUpdate']],
      ['2.0', 'mine', ['statusUpdate']],
    ]);
  });

  it('are kept alive by comments while there is nothing to tell', async () => {
    const ledger = new Ledger(`${folder}/quiet`);
    const stream = await servers.rpc('ledger').stream(ledger.message(1));
    await ledger.reached(1);
    const rest = stream.all();
    await expect.poll(() => stream.comments.length, { timeout: 10_000 }).toBeGreaterThan(2);
    ledger.open(1);
    const events = await rest;
    expect(events.map(({ id }) => id)).toEqual(upTo(events.length));
    expect(new Set(stream.comments)).toEqual(new Set(['keep-alive']));
  });

  it('that cannot be opened are refused with a plain answer', async () => {
    const { headers, json } = await servers.rpc('echo').post(envelope('SubscribeToTask', { id: UNKNOWN }));
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(json.error.code).toBe(-32001);
  });

  it('end where the task asks for input, stay open at a question that is already there, and at an authorisation', async () => {
    const client = servers.rpc('trip-booking');
    const first = await (await client.stream('I need a trip')).all();
    expect(stateOf(first.at(-1)!)).toBe('TASK_STATE_INPUT_REQUIRED');
    const taskId = first[0]!.response.task!.id!;

    const watching = await client.subscribe(taskId);
    expect(stateOf((await watching.next())!)).toBe('TASK_STATE_INPUT_REQUIRED');
    await client.send('Lisbon, 2027-05-01 to 2027-05-05', { taskId });
    expect(stateOf((await watching.all()).at(-1)!)).toBe('TASK_STATE_INPUT_REQUIRED');

    const paying = await client.stream('1', { taskId });
    await paying.until((event) => stateOf(event) === 'TASK_STATE_AUTH_REQUIRED');
    await client.send('approve', { taskId });
    expect(stateOf((await paying.all()).at(-1)!)).toBe('TASK_STATE_COMPLETED');
  });
});
