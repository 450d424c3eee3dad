import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { A2AError, SendMessageResponseSchema, StreamResponseSchema, TaskSchema } from '#protocol';
import { sendTaskFrom, setTaskPushFrom } from './first-requests.js';
import { FirstStream, firstPushConfig, firstSendResult, firstTask } from './first-results.js';
import { JsonField } from './json-field.js';

const TIME = '2026-01-02T03:04:05.678Z';
const MESSAGE = { role: 'user', parts: [{ type: 'text', text: 'Hi' }] };

const event = (json: JsonValue) => fromJson(StreamResponseSchema, json);

function refusal(params: JsonObject): string {
  try {
    sendTaskFrom(JsonField.params(params));
  } catch (error) {
    if (error instanceof A2AError && error.reason === 'INVALID_PARAMS') {
      return error.violations.map(({ field, description }) => `${field} ${description}`).join();
    }
  }
  throw new Error('nothing was refused');
}

describe('the params of tasks/send', () => {
  it('become a message of 1.0 in the session as its context, with an id of its own', () => {
    const params = {
      id: 'mine',
      sessionId: 's-1',
      message: {
        role: 'user',
        parts: [
          { type: 'text', text: 'Hi', metadata: { n: 1 } },
          { type: 'file', file: { name: 'a.bin', mimeType: 'image/png', bytes: 'AAEC' } },
          { type: 'file', file: { uri: 'https://files.example/a' } },
          { type: 'data', data: { a: [1] } },
        ],
        metadata: { m: 1 },
      },
      historyLength: 4,
      pushNotification: { url: 'https://hook.example/', token: 't', authentication: { schemes: ['Bearer'] } },
      metadata: { r: 1 },
    };
    const request = sendTaskFrom(JsonField.params(params));
    expect(request).toMatchObject({
      message: {
        contextId: 's-1',
        taskId: '',
        parts: [
          { content: { case: 'text', value: 'Hi' }, metadata: { n: 1 } },
          { content: { case: 'raw', value: new Uint8Array([0, 1, 2]) }, filename: 'a.bin', mediaType: 'image/png' },
          { content: { case: 'url', value: 'https://files.example/a' } },
          { content: { case: 'data' } },
        ],
        metadata: { m: 1 },
      },
      configuration: {
        historyLength: 4,
        returnImmediately: false,
        taskPushNotificationConfig: { url: 'https://hook.example/', token: 't', authentication: { scheme: 'Bearer' } },
      },
      metadata: { r: 1 },
    });
    expect(request.message?.messageId).toMatch(/^[0-9a-f-]{36}$/);
    expect(sendTaskFrom(JsonField.params(params)).message?.messageId).not.toBe(request.message?.messageId);
  });

  it('without a history length ask for no history', () => {
    expect(sendTaskFrom(JsonField.params({ message: MESSAGE })).configuration?.historyLength).toBe(0);
  });

  it.each<[string, JsonObject]>([
    ['message is required', { id: 'x' }],
    ['message.role is required', { message: { parts: MESSAGE.parts } }],
    ['message.parts must have at least one element', { message: { role: 'user', parts: [] } }],
    ['message.parts[0].type is required', { message: { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] } }],
    ['sessionId must be a string, not number', { sessionId: 1, message: MESSAGE }],
    ['pushNotification.url is required', { id: 'x', pushNotification: {}, message: MESSAGE }],
    [
      'id must be at most 1024 characters where the task has a webhook',
      { id: 'x'.repeat(1_025), pushNotification: { url: 'https://h.example/' }, message: MESSAGE },
    ],
  ])('are refused: %s', (fact, params) => {
    expect(refusal(params)).toBe(fact);
  });

  it('of a webhook name its task by id', () => {
    const config = setTaskPushFrom(
      JsonField.params({ id: 'mine', pushNotificationConfig: { url: 'https://h.example/' } }),
    );
    expect(config).toMatchObject({ taskId: 'mine', url: 'https://h.example/' });
    expect(firstPushConfig(config, 'mine')).toEqual({
      id: 'mine',
      pushNotificationConfig: { url: 'https://h.example/' },
    });
  });
});

describe('a task', () => {
  const task = fromJson(TaskSchema, {
    id: '0190f2f0-0000-8000-8000-000000000000',
    contextId: 's-1',
    status: {
      state: 'TASK_STATE_COMPLETED',
      timestamp: TIME,
      message: { messageId: 'm2', role: 'ROLE_AGENT', parts: [{ text: 'Done' }] },
    },
    history: [{ messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'Hi' }], metadata: { n: 1 } }],
    artifacts: [
      { artifactId: 'a', name: 'one', parts: [{ data: { a: 1 } }] },
      { artifactId: 'b', description: 'two', parts: [{ raw: 'AAEC' }], metadata: { k: 1 } },
    ],
    metadata: { createdAt: TIME },
  });

  it('has the id its client chose, parts with types, and artifacts with indices', () => {
    expect(firstTask(task, 'mine')).toEqual({
      id: 'mine',
      sessionId: 's-1',
      status: {
        state: 'completed',
        timestamp: TIME,
        message: { role: 'agent', parts: [{ type: 'text', text: 'Done' }] },
      },
      artifacts: [
        { name: 'one', parts: [{ type: 'data', data: { a: 1 } }], index: 0 },
        { description: 'two', parts: [{ type: 'file', file: { bytes: 'AAEC' } }], index: 1, metadata: { k: 1 } },
      ],
      history: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }], metadata: { n: 1 } }],
      metadata: { createdAt: TIME },
    });
  });

  it.each([
    ['TASK_STATE_SUBMITTED', 'submitted', false],
    ['TASK_STATE_WORKING', 'working', false],
    ['TASK_STATE_INPUT_REQUIRED', 'input-required', true],
    ['TASK_STATE_AUTH_REQUIRED', 'input-required', false],
    ['TASK_STATE_COMPLETED', 'completed', true],
    ['TASK_STATE_CANCELED', 'canceled', true],
    ['TASK_STATE_FAILED', 'failed', true],
    ['TASK_STATE_REJECTED', 'failed', true],
  ])('in the state %s is %s; that its stream ends there: %j', (state, word, final) => {
    const result = new FirstStream('mine').event(
      event({ statusUpdate: { taskId: 't', contextId: 'c', status: { state } } }),
    );
    expect(result).toEqual({ id: 'mine', status: { state: word }, final });
  });

  it('is made of a message where the agent answers with one', () => {
    const message = { messageId: 'm', contextId: 's-2', role: 'ROLE_AGENT', parts: [{ text: 'Hello' }] };
    const status = {
      state: 'completed',
      message: { role: 'agent', parts: [{ type: 'text', text: 'Hello' }] },
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    };
    expect(firstSendResult(fromJson(SendMessageResponseSchema, { message }), 'mine')).toEqual({
      id: 'mine',
      sessionId: 's-2',
      status,
    });
    expect(new FirstStream('mine').event(event({ message }))).toEqual({ id: 'mine', status, final: true });
  });

  it('streams artifacts under the indices that they have in it, new ones behind', () => {
    const stream = new FirstStream('mine');
    const piece = (artifactId: string, fields: JsonObject = {}) =>
      event({
        artifactUpdate: { taskId: 't', contextId: 'c', artifact: { artifactId, parts: [{ text: 'x' }] }, ...fields },
      });
    const parts = [{ type: 'text', text: 'x' }];
    const seen = [
      event({
        task: {
          id: 't',
          status: { state: 'TASK_STATE_WORKING' },
          artifacts: [{ artifactId: 'a' }, { artifactId: 'b' }],
        },
      }),
      piece('c'),
      piece('b', { append: true, lastChunk: true, metadata: { k: 1 } }),
      piece('c', { append: true }),
    ].map((one) => stream.event(one));
    expect(seen).toEqual([
      { id: 'mine', status: { state: 'working' }, final: false },
      { id: 'mine', artifact: { parts, index: 2, append: false, lastChunk: false } },
      { id: 'mine', artifact: { parts, index: 1, append: true, lastChunk: true }, metadata: { k: 1 } },
      { id: 'mine', artifact: { parts, index: 2, append: true, lastChunk: false } },
    ]);
  });
});
