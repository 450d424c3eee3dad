import { create, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  A2AError,
  type A2AErrorReason,
  type A2AOperations,
  type CallContext,
  SendMessageResponseSchema,
  StreamResponseSchema,
  TaskSchema,
} from '#protocol';
import { scriptOperation, scriptStream, type SeenRequests, unscript } from '../support/scripted-operations.js';
import { type Answer, type ScriptedServer, scriptedAgent, startScriptedServer } from '../support/scripted-server.js';

const TIME = '2026-01-02T03:04:05.678Z';
const KNOWN = 'https://example.com/known';

let server: ScriptedServer;
let seen: SeenRequests;

beforeAll(async () => {
  const capabilities = { extensions: [{ uri: KNOWN }] };
  const card = { name: 'Echo', description: 'd', version: '1', skills: [], capabilities };
  server = await startScriptedServer({}, [scriptedAgent('echo', { default: true, card }), scriptedAgent('other')]);
});
afterAll(() => server.close());
beforeEach(() => {
  seen = [];
  unscript(server);
});

/** Posts as clients do that know nothing of versions. */
function post(method: string, params?: unknown, headers: Record<string, string | undefined> = {}): Promise<Answer> {
  return server.post(
    { jsonrpc: '2.0', id: 'r1', method, params },
    { headers: { 'a2a-version': undefined, ...headers } },
  );
}

/** Scripts a unary operation: it gives `result`, or throws it. */
function script(name: keyof A2AOperations, result: JsonObject | Error): void {
  scriptOperation(server, name, result, seen);
}

/** Scripts a streaming operation: it gives the events numbered from 1, and throws what is an error. */
function stream(name: keyof A2AOperations, ...events: (JsonObject | Error)[]): void {
  scriptStream(server, name, events, seen);
}

function task(id: string, state = 'TASK_STATE_WORKING') {
  return { id, contextId: 'c-1', status: { state, timestamp: TIME } };
}

describe('0.3 over JSON-RPC', () => {
  const MESSAGE = {
    kind: 'message',
    role: 'user',
    messageId: 'm-1',
    parts: [{ kind: 'text', text: 'tell me a joke' }],
  };
  const TASK_03 = { kind: 'task', id: 't-1', contextId: 'c-1', status: { state: 'working', timestamp: TIME } };

  it('answers message/send with the bare task', async () => {
    script('sendMessage', { task: task('t-1') });
    const answer = await post('message/send', { message: MESSAGE, metadata: {} });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch('application/json');
    expect(answer.body).toEqual({ jsonrpc: '2.0', id: 'r1', result: TASK_03 });
    expect(seen[0]![0]).toMatchObject({
      message: { messageId: 'm-1', parts: [{ content: { value: 'tell me a joke' } }] },
    });
    expect(seen[0]![1]).toMatchObject({ tenant: 'default', agent: 'echo' });
    expect(seen[0]![1].namedTask).toBeUndefined();
  });

  it('answers message/send with the bare message, where the agent made no task', async () => {
    const message = { messageId: 'm-2', contextId: 'c-1', role: 'ROLE_AGENT', parts: [{ text: 'No.' }] };
    script('sendMessage', { message });
    const { body } = await post('message/send', { message: MESSAGE });
    const parts = [{ kind: 'text', text: 'No.' }];
    expect(body.result).toEqual({ kind: 'message', messageId: 'm-2', contextId: 'c-1', role: 'agent', parts });
  });

  it.each([
    ['tasks/get', 'getTask', { id: 't-1', historyLength: 2 }],
    ['tasks/cancel', 'cancelTask', { id: 't-1' }],
  ] as const)('answers %s with the bare task', async (method, operation, params) => {
    script(operation, task('t-1'));
    expect((await post(method, params)).body).toEqual({ jsonrpc: '2.0', id: 'r1', result: TASK_03 });
    expect(seen[0]![0]).toMatchObject(params);
  });

  it('is spoken at every address, with its version in the header, in the query or nowhere', async () => {
    script('getTask', task('t-1'));
    const body = { jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { id: 't-1' } };
    for (const [path, version] of [
      ['/agents/other', undefined],
      ['/agents/other/acme', '0.3'],
      ['/acme?A2A-Version=0.3.0', ''],
    ] as const) {
      const answer = await server.post(body, { path, headers: { 'a2a-version': version } });
      expect(answer.body.result, path).toEqual(TASK_03);
    }
    expect(seen.map(([, { tenant, agent }]) => [tenant, agent])).toEqual([
      ['default', 'other'],
      ['acme', 'other'],
      ['acme', 'echo'],
    ]);
  });

  it('streams bare events, each with its number, for message/stream', async () => {
    stream(
      'sendStreamingMessage',
      { task: { id: 't-1', contextId: 'c-1', status: { state: 'TASK_STATE_SUBMITTED', timestamp: TIME } } },
      {
        artifactUpdate: {
          taskId: 't-1',
          contextId: 'c-1',
          artifact: { artifactId: 'a', parts: [{ text: 'x' }] },
          append: true,
        },
      },
      { statusUpdate: { taskId: 't-1', contextId: 'c-1', status: { state: 'TASK_STATE_COMPLETED', timestamp: TIME } } },
    );
    const answer = await post('message/stream', { message: MESSAGE });
    expect(answer.headers['content-type']).toBe('text/event-stream');
    const line = (id: number, result: string) => `id: ${id}\ndata: {"jsonrpc":"2.0","id":"r1","result":${result}}\n\n`;
    expect(answer.text).toBe(
      line(1, `{"kind":"task","id":"t-1","contextId":"c-1","status":{"state":"submitted","timestamp":"${TIME}"}}`) +
        line(
          2,
          '{"kind":"artifact-update","taskId":"t-1","contextId":"c-1","artifact":{"artifactId":"a","parts":[{"kind":"text","text":"x"}]},"append":true,"lastChunk":false}',
        ) +
        line(
          3,
          `{"kind":"status-update","taskId":"t-1","contextId":"c-1","status":{"state":"completed","timestamp":"${TIME}"},"final":true}`,
        ),
    );
  });

  it('streams what follows for tasks/resubscribe, and sends a task that has ended once', async () => {
    stream('subscribeToTask', { task: { id: 't-1', status: { state: 'TASK_STATE_WORKING' } } });
    const open = await post('tasks/resubscribe', { id: 't-1' }, { 'last-event-id': '7' });
    expect(eventsOf(open)).toEqual([expect.objectContaining({ kind: 'task', id: 't-1' })]);
    expect(seen[0]![1].lastEventId).toBe(7);

    stream('subscribeToTask', new A2AError('UNSUPPORTED_OPERATION'));
    script('getTask', task('t-1', 'TASK_STATE_COMPLETED'));
    const ended = await post('tasks/resubscribe', { id: 't-1' });
    expect(eventsOf(ended)).toEqual([{ ...TASK_03, status: { state: 'completed', timestamp: TIME } }]);
  });

  it('tells a stream that fails by an error event, and one that does not open by a plain answer', async () => {
    const error = { code: -32001, message: 'Task not found' };
    stream('subscribeToTask', { task: { id: 't-1' } }, new A2AError('TASK_NOT_FOUND'));
    const text = (await post('tasks/resubscribe', { id: 't-1' })).text;
    expect(JSON.parse(/event: error\ndata: (.*)\n/.exec(text)![1]!)).toMatchObject({ id: 'r1', error });
    stream('subscribeToTask', new A2AError('TASK_NOT_FOUND'));
    expect((await post('tasks/resubscribe', { id: 't-1' })).body).toMatchObject({ id: 'r1', error });
  });

  it('sets, gets, lists and deletes webhooks in its own shape', async () => {
    const config = { taskId: 't-1', id: 'p', url: 'https://h.example/' };
    const shown = { taskId: 't-1', pushNotificationConfig: { id: 'p', url: 'https://h.example/' } };
    script('createTaskPushNotificationConfig', config);
    script('getTaskPushNotificationConfig', config);
    script('listTaskPushNotificationConfigs', { configs: [config] });
    script('deleteTaskPushNotificationConfig', {});
    const of = (action: string, params: unknown) => post(`tasks/pushNotificationConfig/${action}`, params);
    const named = { id: 't-1', pushNotificationConfigId: 'p' };
    expect((await of('set', shown)).body.result).toEqual(shown);
    expect((await of('get', named)).body.result).toEqual(shown);
    expect((await of('get', { id: 't-1' })).body.result).toEqual(shown);
    expect((await of('list', { id: 't-1' })).body.result).toEqual([shown]);
    expect((await of('delete', named)).text).toBe('{"jsonrpc":"2.0","id":"r1","result":null}');
    expect(seen.map(([request]) => [request.taskId, request.id])).toEqual([
      ['t-1', 'p'],
      ['t-1', 'p'],
      ['t-1', undefined],
      ['t-1', undefined],
      ['t-1', 'p'],
    ]);
  });

  it('gives the extended card as a card that 0.3 reads', async () => {
    const supportedInterfaces = [{ url: 'https://a.example', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];
    script('getExtendedAgentCard', { name: 'A', supportedInterfaces });
    const { body } = await post('agent/getAuthenticatedExtendedCard');
    expect(body.result).toMatchObject({ name: 'A', url: 'https://a.example', protocolVersion: '0.3.0' });
  });

  it.each<[A2AErrorReason, number]>([
    ['TASK_NOT_FOUND', -32001],
    ['TASK_NOT_CANCELABLE', -32002],
    ['PUSH_NOTIFICATION_NOT_SUPPORTED', -32003],
    ['UNSUPPORTED_OPERATION', -32004],
    ['CONTENT_TYPE_NOT_SUPPORTED', -32005],
    ['INVALID_AGENT_RESPONSE', -32006],
    ['EXTENDED_AGENT_CARD_NOT_CONFIGURED', -32007],
    ['INTERNAL_ERROR', -32603],
  ])('has the code of 0.3 for %s: %d', async (reason, code) => {
    script('cancelTask', new A2AError(reason));
    const { status, body } = await post('tasks/cancel', { id: 't-1' });
    expect(status).toBe(200);
    expect(body).toMatchObject({ jsonrpc: '2.0', id: 'r1', error: { code, message: expect.any(String) } });
  });

  it('names what is wrong with params by its own words', async () => {
    const parts = [
      { kind: 'text', text: 'Hi' },
      { kind: 'file', file: { uri: 'nowhere' } },
    ];
    const { body } = await post('message/send', { message: { ...MESSAGE, parts } });
    expect(body.error).toMatchObject({
      code: -32602,
      message: 'Invalid parameters: message.parts[1].file.uri must be an absolute URL',
      data: [{ fieldViolations: [{ field: 'message.parts[1].file.uri' }] }],
    });
    expect(seen).toEqual([]);
  });

  it.each([
    ['message/send', 'sendMessage', 'message.contextId', 'message.contextId'],
    [
      ...(['message/send', 'sendMessage', 'configuration.taskPushNotificationConfig.url'] as const),
      'configuration.pushNotificationConfig.url',
    ],
    ['tasks/pushNotificationConfig/set', 'createTaskPushNotificationConfig', 'url', 'pushNotificationConfig.url'],
    [
      ...(['tasks/pushNotificationConfig/set', 'createTaskPushNotificationConfig', 'authentication.scheme'] as const),
      'pushNotificationConfig.authentication.schemes',
    ],
    ['tasks/pushNotificationConfig/set', 'createTaskPushNotificationConfig', 'taskId', 'taskId'],
    ['tasks/pushNotificationConfig/get', 'getTaskPushNotificationConfig', 'id', 'pushNotificationConfigId'],
    ['tasks/pushNotificationConfig/list', 'listTaskPushNotificationConfigs', 'taskId', 'id'],
    ['tasks/send', 'sendMessage', 'message.contextId', 'sessionId'],
    ['tasks/send', 'sendMessage', 'configuration.taskPushNotificationConfig.url', 'pushNotification.url'],
    ['tasks/pushNotification/set', 'createTaskPushNotificationConfig', 'url', 'pushNotificationConfig.url'],
  ] as const)('says of %s what %s finds wrong with %s: %s', async (method, operation, found, told) => {
    script(operation, A2AError.invalidParams(found, 'is wrong'));
    const { body } = await post(method, {
      ...{ id: 't-1', taskId: 't-1', pushNotificationConfig: { url: 'https://h.example/' } },
      pushNotificationConfigId: 'p',
      message: method === 'tasks/send' ? { role: 'user', parts: [{ type: 'text', text: 'Hi' }] } : MESSAGE,
    });
    expect(body.error).toMatchObject({ code: -32602, message: `Invalid parameters: ${told} is wrong` });
  });

  it.each([
    ['SendMessage', undefined, 'A2A-Version: 1.0'],
    ['GetTask', '0.3', 'A2A-Version: 1.0'],
    ['message/send', '1.0', 'SendMessage'],
    ['tasks/send', '1.0', 'SendMessage'],
    ['tasks/list', undefined, 'tasks/list'],
    ['constructor', undefined, 'constructor'],
    ['__proto__', '1.0', '__proto__'],
  ])('does not know %s in version %s, and says where it would be known', async (method, version, hint) => {
    const { status, body } = await post(method, {}, { 'a2a-version': version });
    expect(status).toBe(200);
    expect(body).toEqual({ jsonrpc: '2.0', id: 'r1', error: { code: -32601, message: expect.stringContaining(hint) } });
  });

  it('refuses versions that nobody speaks, whatever the method', async () => {
    for (const method of ['message/send', 'SendMessage', 'tasks/send']) {
      const { body } = await post(method, {}, { 'a2a-version': '0.2' });
      expect(body.error, method).toMatchObject({ code: -32009, message: expect.stringContaining('1.0, 0.3') });
    }
  });

  it('takes extensions by the old name of their header, and answers by the name that was used', async () => {
    script('getTask', task('t-1'));
    const old = await post('tasks/get', { id: 't-1' }, { 'x-a2a-extensions': `${KNOWN}, urn:unknown` });
    expect(old.headers).toMatchObject({ 'x-a2a-extensions': KNOWN });
    expect(old.headers).not.toHaveProperty('a2a-extensions');
    const current = await post('tasks/get', { id: 't-1' }, { 'a2a-extensions': KNOWN });
    expect(current.headers).toMatchObject({ 'a2a-extensions': KNOWN });
    expect(seen.map(([, { extensions }]) => extensions)).toEqual([[KNOWN], [KNOWN]]);
  });
});

describe('the first dialect over JSON-RPC', () => {
  const PARAMS = {
    id: 'de38c76d-d54c-436c-8b9f-4c2703648d64',
    sessionId: 'c-1',
    message: { role: 'user', parts: [{ type: 'text', text: 'tell me a joke' }] },
    metadata: {},
  };

  /** Operations know the task by the id that was made of the client's. */
  function known(state?: string) {
    return async (_request: unknown, context: CallContext) => {
      seen.push([_request, context]);
      return fromJson(TaskSchema, task(context.namedTask ?? '', state));
    };
  }

  it('answers tasks/send with the task under the id that the client chose', async () => {
    server.script.sendMessage = async (request, context) =>
      create(SendMessageResponseSchema, {
        payload: { case: 'task', value: await known('TASK_STATE_COMPLETED')(request, context) },
      });
    const { body } = await post('tasks/send', PARAMS);
    const status = { state: 'completed', timestamp: TIME };
    expect(body).toEqual({ jsonrpc: '2.0', id: 'r1', result: { id: PARAMS.id, sessionId: 'c-1', status } });
    expect(seen[0]![0]).toMatchObject({ message: { taskId: '', contextId: 'c-1' } });
  });

  it.each([
    ['tasks/get', 'getTask'],
    ['tasks/cancel', 'cancelTask'],
  ] as const)(
    'answers %s in its own shape for a task of its own, and in that of 0.3 for another',
    async (method, operation) => {
      server.script[operation] = known();
      const own = await post(method, { id: 'mine' });
      expect(own.body.result).toEqual({ id: 'mine', sessionId: 'c-1', status: { state: 'working', timestamp: TIME } });
      expect(seen[0]).toMatchObject([{ id: 'mine' }, { namedTask: expect.stringMatching(/^[0-9a-f-]{36}$/) }]);

      server.script[operation] = async () => fromJson(TaskSchema, task('0190f2f0-0000-7000-8000-000000000000'));
      const other = await post(method, { id: '0190F2F0-0000-7000-8000-000000000000' });
      expect(other.body.result).toMatchObject({ kind: 'task', id: '0190f2f0-0000-7000-8000-000000000000' });
    },
  );

  it('streams status and artifacts for tasks/sendSubscribe and tasks/resubscribe', async () => {
    const events = (id: string): JsonObject[] => [
      { task: { id, contextId: 'c-1', status: { state: 'TASK_STATE_SUBMITTED', timestamp: TIME } } },
      {
        artifactUpdate: {
          taskId: id,
          contextId: 'c-1',
          artifact: { artifactId: 'a', name: 'joke', parts: [{ text: 'x' }] },
        },
      },
      { statusUpdate: { taskId: id, contextId: 'c-1', status: { state: 'TASK_STATE_COMPLETED', timestamp: TIME } } },
    ];
    async function* operation(_request: unknown, { namedTask = '' }: CallContext) {
      for (const [index, event] of events(namedTask).entries()) {
        yield { sequence: index + 1, message: fromJson(StreamResponseSchema, event) };
      }
    }
    Object.assign(server.script, { sendStreamingMessage: operation, subscribeToTask: operation });
    for (const [method, params] of [
      ['tasks/sendSubscribe', PARAMS],
      ['tasks/resubscribe', { id: PARAMS.id }],
    ] as const) {
      const answer = await post(method, params);
      expect(eventsOf(answer), method).toEqual([
        { id: PARAMS.id, status: { state: 'submitted', timestamp: TIME }, final: false },
        {
          id: PARAMS.id,
          artifact: { name: 'joke', parts: [{ type: 'text', text: 'x' }], index: 0, append: false, lastChunk: false },
        },
        { id: PARAMS.id, status: { state: 'completed', timestamp: TIME }, final: true },
      ]);
    }
  });

  it('sets and gets a webhook of the task', async () => {
    const config = { taskId: 'x', url: 'https://h.example/' };
    script('createTaskPushNotificationConfig', config);
    script('listTaskPushNotificationConfigs', { configs: [config] });
    const shown = { id: 'mine', pushNotificationConfig: { url: 'https://h.example/' } };
    expect((await post('tasks/pushNotification/set', shown)).body.result).toEqual(shown);
    expect((await post('tasks/pushNotification/get', { id: 'mine' })).body.result).toEqual(shown);
    expect(seen.map(([, { namedTask }]) => namedTask)).toEqual([expect.any(String), expect.any(String)]);
  });

  it('makes different ids of one name for different tenants and agents', async () => {
    server.script.getTask = known();
    const body = { jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { id: 'mine' } };
    for (const path of ['/', '/acme', '/agents/other', '/']) {
      await server.post(body, { path, headers: { 'a2a-version': undefined } });
    }
    const ids = seen.map(([, { namedTask }]) => namedTask);
    expect(new Set(ids).size).toBe(3);
    expect(ids[3]).toBe(ids[0]);
  });

  it.each<[string, object, string]>([
    ['tasks/send', { ...PARAMS, id: undefined }, 'id is required'],
    ['tasks/send', { ...PARAMS, id: 7 }, 'id must be a string, not number'],
    ['tasks/send', { ...PARAMS, id: 'a\0' }, 'id contains the character U+0000'],
    [
      'tasks/sendSubscribe',
      { ...PARAMS, message: { role: 'user', parts: [{ text: 'Hi' }] } },
      'message.parts[0].type is required',
    ],
    ['tasks/get', {}, 'id is required'],
  ])('refuses %s with %j', async (method, params, fact) => {
    const { body } = await post(method, params);
    expect(body.error).toMatchObject({ code: -32602, message: `Invalid parameters: ${fact}` });
    expect(seen).toEqual([]);
  });
});

/** The results of the events of an SSE body. */
function eventsOf({ text }: Answer): unknown[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => (JSON.parse(data!) as { result: unknown }).result);
}
