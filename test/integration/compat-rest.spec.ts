import { type JsonObject } from '@bufbuild/protobuf';
import { request as httpRequest } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { A2AError, type A2AErrorReason, type A2AOperations } from '#protocol';
import { scriptOperation, scriptStream, type SeenRequests, unscript } from '../support/scripted-operations.js';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

const TIME = '2026-01-02T03:04:05.678Z';
const TASK = { id: 't-1', contextId: 'c-1', status: { state: 'TASK_STATE_CANCELED', timestamp: TIME } };
/** As package a2a.v1 writes it. */
const TASK_03 = { id: 't-1', contextId: 'c-1', status: { state: 'TASK_STATE_CANCELLED', timestamp: TIME } };
const MESSAGE_03 = { messageId: 'm-1', role: 'ROLE_USER', content: [{ text: 'Hi' }] };

let server: ScriptedServer;
let seen: SeenRequests;

beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server.close());
beforeEach(() => {
  seen = [];
  unscript(server);
});

async function call(
  verb: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const answer = await httpRequest(server.url + path, {
    method: verb,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.body.text();
  const contentType = String(answer.headers['content-type']);
  const json = contentType.startsWith('application/json') ? JSON.parse(text) : undefined;
  return { status: answer.statusCode, contentType, text, json };
}

/** Scripts a unary operation: it gives `result`, or throws it. */
function script(name: keyof A2AOperations, result: JsonObject | Error): void {
  scriptOperation(server, name, result, seen);
}

describe('0.3 over HTTP and JSON', () => {
  it('sends a message, waiting for the task only where the configuration says so or is absent', async () => {
    script('sendMessage', { task: TASK });
    for (const configuration of [undefined, { blocking: true }, { historyLength: 2 }]) {
      const { status, json } = await call('POST', '/v1/message:send', { message: MESSAGE_03, configuration });
      expect({ status, json }).toEqual({ status: 200, json: { task: TASK_03 } });
    }
    expect(seen.map(([{ configuration }]) => configuration?.returnImmediately)).toEqual([undefined, false, true]);
    expect(seen[0]![0]).toMatchObject({ message: { messageId: 'm-1', parts: [{ content: { value: 'Hi' } }] } });
  });

  it('answers with a message under its name of 0.3', async () => {
    const message = { messageId: 'm-2', role: 'ROLE_AGENT', parts: [{ raw: 'AAEC', mediaType: 'image/png' }] };
    script('sendMessage', { message });
    const { json } = await call('POST', '/v1/message:send', { message: MESSAGE_03 });
    const content = [{ file: { fileWithBytes: 'AAEC', mimeType: 'image/png' } }];
    expect(json).toEqual({ message: { messageId: 'm-2', role: 'ROLE_AGENT', content } });
  });

  it('reads snake_case too, at every address', async () => {
    script('sendMessage', { task: TASK });
    const message = { message_id: 'm-1', role: 'ROLE_USER', content: [{ text: 'Hi' }], context_id: 'c-9' };
    for (const base of ['', '/agents/other', '/acme', '/agents/other/acme']) {
      expect((await call('POST', `${base}/v1/message:send`, { message })).status, base).toBe(200);
    }
    expect(seen.map(([request, { agent, tenant }]) => [request.message.contextId, agent, tenant])).toEqual([
      ['c-9', 'echo', 'default'],
      ['c-9', 'other', 'default'],
      ['c-9', 'echo', 'acme'],
      ['c-9', 'other', 'acme'],
    ]);
  });

  it('gets and cancels tasks', async () => {
    script('getTask', TASK);
    script('cancelTask', TASK);
    expect((await call('GET', '/v1/tasks/t-1?historyLength=3')).json).toEqual(TASK_03);
    expect((await call('GET', '/v1/tasks/t-1?history_length=4')).json).toEqual(TASK_03);
    expect((await call('GET', '/v1/tasks/t-1')).json).toEqual(TASK_03);
    expect((await call('POST', '/v1/tasks/t-1:cancel')).json).toEqual(TASK_03);
    expect(seen.map(([{ id, historyLength }]) => [id, historyLength])).toEqual([
      ['t-1', 3],
      ['t-1', 4],
      ['t-1', undefined],
      ['t-1', undefined],
    ]);
  });

  it('streams bare messages of its package, each with its number', async () => {
    const update = { taskId: 't-1', contextId: 'c-1' };
    const chunk = { artifactId: 'a', parts: [{ text: 'x' }] };
    const status = { state: 'TASK_STATE_COMPLETED', timestamp: TIME };
    for (const operation of ['sendStreamingMessage', 'subscribeToTask'] as const) {
      const events: JsonObject[] = [
        { artifactUpdate: { ...update, artifact: chunk, append: true, lastChunk: true } },
        { statusUpdate: { ...update, status } },
      ];
      scriptStream(server, operation, events, seen);
    }
    const artifact = '{"artifactId":"a","parts":[{"text":"x"}]}';
    const expected =
      `id: 1\ndata: {"artifactUpdate":{"taskId":"t-1","contextId":"c-1","artifact":${artifact},"append":true,"lastChunk":true}}\n\n` +
      `id: 2\ndata: {"statusUpdate":{"taskId":"t-1","contextId":"c-1","status":{"state":"TASK_STATE_COMPLETED","timestamp":"${TIME}"},"final":true}}\n\n`;
    for (const [verb, path, body] of [
      ['POST', '/v1/message:stream', { message: MESSAGE_03 }],
      ['POST', '/v1/tasks/t-1:subscribe', undefined],
      ['GET', '/v1/tasks/t-1:subscribe', undefined],
    ] as const) {
      const { contentType, text } = await call(verb, path, body);
      expect({ contentType, text }, path).toEqual({ contentType: 'text/event-stream', text: expected });
    }
  });

  it('sends a task that has ended once, where 1.0 refuses to subscribe', async () => {
    scriptStream(server, 'subscribeToTask', [new A2AError('UNSUPPORTED_OPERATION')], seen);
    script('getTask', TASK);
    const { text } = await call('POST', '/v1/tasks/t-1:subscribe');
    expect(text).toContain(`data: ${JSON.stringify({ task: TASK_03 })}\n\n`);
  });

  it('creates, gets, lists and deletes webhooks under their resource names', async () => {
    const config = { taskId: 't-1', id: 'p', url: 'https://h.example/' };
    script('createTaskPushNotificationConfig', config);
    script('getTaskPushNotificationConfig', config);
    script('listTaskPushNotificationConfigs', { configs: [config] });
    script('deleteTaskPushNotificationConfig', {});
    const name = 'tasks/t-1/pushNotificationConfigs/p';
    const shown = { name, pushNotificationConfig: { id: 'p', url: 'https://h.example/' } };
    const all = '/v1/tasks/t-1/pushNotificationConfigs';
    expect((await call('POST', all, shown)).json).toEqual(shown);
    expect((await call('POST', all, { config: shown, configId: 'p' })).json).toEqual(shown);
    expect((await call('GET', all)).json).toEqual({ configs: [shown] });
    expect((await call('GET', `${all}/p`)).json).toEqual(shown);
    expect((await call('DELETE', `${all}/p`)).status).toBe(200);
    expect(seen.map(([{ taskId, id }]) => [taskId, id])).toEqual([
      ['t-1', 'p'],
      ['t-1', 'p'],
      ['t-1', undefined],
      ['t-1', 'p'],
      ['t-1', 'p'],
    ]);
  });

  it('gives the extended card in the shape of its package', async () => {
    const supportedInterfaces = [{ url: 'https://a.example', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];
    script('getExtendedAgentCard', { name: 'A', supportedInterfaces });
    const { json } = await call('GET', '/v1/card');
    expect(json).toMatchObject({
      name: 'A',
      protocolVersion: '0.3.0',
      url: 'https://a.example',
      preferredTransport: 'JSONRPC',
      additionalInterfaces: [{ url: 'https://a.example', transport: 'JSONRPC' }],
    });
  });

  it.each<[A2AErrorReason, number, number]>([
    ['TASK_NOT_FOUND', 404, -32001],
    ['TASK_NOT_CANCELABLE', 400, -32002],
    ['PUSH_NOTIFICATION_NOT_SUPPORTED', 400, -32003],
    ['UNSUPPORTED_OPERATION', 400, -32004],
    ['INTERNAL_ERROR', 500, -32603],
    ['RESOURCE_EXHAUSTED', 429, -32000],
  ])('tells %s with status %d and the code %d', async (reason, status, code) => {
    script('cancelTask', new A2AError(reason));
    const answer = await call('POST', '/v1/tasks/t-1:cancel');
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ code, message: expect.any(String) });
  });

  it.each([
    [
      '/v1/message:send',
      { message: { ...MESSAGE_03, content: [{ text: 7 }] } },
      'message.content[0].text must be a string',
    ],
    ['/v1/message:send', { message: { ...MESSAGE_03, content: [{}] } }, 'message.content[0] must have one of'],
    ['/v1/message:send', {}, 'message is required'],
    ['/v1/message:send', [], 'the request must be an object'],
    [
      '/v1/tasks/t-1/pushNotificationConfigs',
      { pushNotificationConfig: { url: 7 } },
      'config.pushNotificationConfig.url',
    ],
  ])('names what is wrong with the body of %s: %j', async (path, body, fact) => {
    const { status, json } = await call('POST', path, body);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: -32602, message: expect.stringContaining(fact) });
    expect(seen).toEqual([]);
  });

  it('refuses a history length that is none, and a body that is no JSON', async () => {
    const { status, json } = await call('GET', '/v1/tasks/t-1?historyLength=few');
    expect({ status, code: json.code, message: json.message }).toMatchObject({
      ...{ status: 400, code: -32602 },
      message: expect.stringContaining('historyLength'),
    });
    const answer = await httpRequest(`${server.url}/v1/message:send`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' },
    });
    expect([answer.statusCode, await answer.body.json()]).toMatchObject([400, { code: -32700 }]);
  });

  it('is refused in other versions, and where nobody is served', async () => {
    const current = await call('GET', '/v1/tasks/t-1', undefined, { 'a2a-version': '1.0' });
    expect([current.status, current.json.code]).toEqual([400, -32009]);
    const nobody = await call('GET', '/agents/nobody/v1/tasks/t-1');
    expect([nobody.status, nobody.json.code]).toEqual([404, -32001]);
  });
});
