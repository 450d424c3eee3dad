import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  ListTaskPushNotificationConfigsResponseSchema,
  SendMessageResponseSchema,
  StreamResponseSchema,
  TaskSchema,
  TaskState,
} from '#protocol';
import { pushConfigsTo, sendResultTo, stateTo, streamResultTo, taskTo } from './json-results.js';

const TIME = '2026-01-02T03:04:05.678Z';
const STATUS = { state: 'TASK_STATE_WORKING', timestamp: TIME };

const event = (json: JsonValue) => fromJson(StreamResponseSchema, json);
const task = (json: JsonValue) => fromJson(TaskSchema, json);

describe('a task', () => {
  it('has its kind, lower-case words and every field that says something', () => {
    const given = task({
      id: 't',
      contextId: 'c',
      status: {
        state: 'TASK_STATE_INPUT_REQUIRED',
        timestamp: '2026-01-02T04:04:05.678+01:00',
        message: { messageId: 'm2', role: 'ROLE_AGENT', parts: [{ text: 'Where to?' }], taskId: 't', contextId: 'c' },
      },
      history: [
        { messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'Hi' }], extensions: ['urn:x'], referenceTaskIds: ['r'] },
      ],
      artifacts: [
        {
          artifactId: 'a',
          name: 'report',
          description: 'of the year',
          parts: [
            { raw: 'AAEC', filename: 'a.bin', mediaType: 'image/png' },
            { url: 'https://x.example/', metadata: { n: 1 } },
          ],
          metadata: { k: 'v' },
          extensions: ['urn:y'],
        },
      ],
      metadata: { createdAt: TIME },
    });
    expect(taskTo(given)).toEqual({
      kind: 'task',
      id: 't',
      contextId: 'c',
      status: {
        state: 'input-required',
        timestamp: TIME,
        message: {
          kind: 'message',
          messageId: 'm2',
          role: 'agent',
          parts: [{ kind: 'text', text: 'Where to?' }],
          taskId: 't',
          contextId: 'c',
        },
      },
      history: [
        {
          kind: 'message',
          messageId: 'm1',
          role: 'user',
          parts: [{ kind: 'text', text: 'Hi' }],
          extensions: ['urn:x'],
          referenceTaskIds: ['r'],
        },
      ],
      artifacts: [
        {
          artifactId: 'a',
          name: 'report',
          description: 'of the year',
          parts: [
            { kind: 'file', file: { bytes: 'AAEC', name: 'a.bin', mimeType: 'image/png' } },
            { kind: 'file', file: { uri: 'https://x.example/' }, metadata: { n: 1 } },
          ],
          metadata: { k: 'v' },
          extensions: ['urn:y'],
        },
      ],
      metadata: { createdAt: TIME },
    });
  });

  it('leaves out what is optional and empty', () => {
    expect(taskTo(task({ id: 't', contextId: 'c', status: STATUS }))).toEqual({
      kind: 'task',
      id: 't',
      contextId: 'c',
      status: { state: 'working', timestamp: TIME },
    });
  });

  it('has an empty text, where its part has one', () => {
    const artifacts = [{ artifactId: 'a', parts: [{ text: '' }] }];
    expect(taskTo(task({ id: 't', status: STATUS, artifacts }))).toMatchObject({
      artifacts: [{ parts: [{ kind: 'text', text: '' }] }],
    });
  });

  it.each([[[1, 'a']], ['text'], [7], [true], [null]])(
    'wraps the data %j, which is no object, and marks it',
    (data) => {
      const artifacts = [{ artifactId: 'a', parts: [{ data, metadata: { k: 1 } }] }];
      expect(taskTo(task({ id: 't', status: STATUS, artifacts }))).toMatchObject({
        artifacts: [{ parts: [{ kind: 'data', data: { value: data }, metadata: { k: 1, data_part_compat: true } }] }],
      });
    },
  );

  it('has data that is an object as it is', () => {
    const artifacts = [{ artifactId: 'a', parts: [{ data: { value: 1 } }] }];
    expect(taskTo(task({ id: 't', status: STATUS, artifacts })).artifacts).toEqual([
      { artifactId: 'a', parts: [{ kind: 'data', data: { value: 1 } }] },
    ]);
  });
});

describe('a state', () => {
  it('has its word of 0.3, each of them', () => {
    const states = Object.values(TaskState).filter((state) => typeof state === 'number');
    expect(Object.fromEntries(states.map((state) => [TaskState[state], stateTo(state)]))).toEqual({
      UNSPECIFIED: 'unknown',
      SUBMITTED: 'submitted',
      WORKING: 'working',
      COMPLETED: 'completed',
      FAILED: 'failed',
      CANCELED: 'canceled',
      INPUT_REQUIRED: 'input-required',
      REJECTED: 'rejected',
      AUTH_REQUIRED: 'auth-required',
    });
  });
});

describe('an event', () => {
  it.each([
    ['TASK_STATE_SUBMITTED', false],
    ['TASK_STATE_WORKING', false],
    ['TASK_STATE_AUTH_REQUIRED', false],
    ['TASK_STATE_INPUT_REQUIRED', true],
    ['TASK_STATE_COMPLETED', true],
    ['TASK_STATE_FAILED', true],
    ['TASK_STATE_CANCELED', true],
    ['TASK_STATE_REJECTED', true],
  ])('with the state %s is final: %j', (state, final) => {
    const result = streamResultTo(
      event({ statusUpdate: { taskId: 't', contextId: 'c', status: { state }, metadata: { m: 1 } } }),
    );
    expect(result).toMatchObject({ kind: 'status-update', taskId: 't', contextId: 'c', final, metadata: { m: 1 } });
  });

  it('of an artifact says whether it is appended and whether it is the last chunk', () => {
    const artifact = { artifactId: 'a', parts: [{ text: 'x' }] };
    const update = { taskId: 't', contextId: 'c', artifact };
    const expected = {
      kind: 'artifact-update',
      taskId: 't',
      contextId: 'c',
      artifact: { artifactId: 'a', parts: [{ kind: 'text', text: 'x' }] },
    };
    expect(streamResultTo(event({ artifactUpdate: update }))).toEqual({ ...expected, append: false, lastChunk: false });
    expect(
      streamResultTo(event({ artifactUpdate: { ...update, append: true, lastChunk: true, metadata: {} } })),
    ).toEqual({
      ...expected,
      append: true,
      lastChunk: true,
      metadata: {},
    });
  });

  it('may be a task or a message', () => {
    const message = { messageId: 'm', role: 'ROLE_AGENT', parts: [{ text: 'x' }] };
    expect(streamResultTo(event({ task: { id: 't', status: STATUS } }))).toMatchObject({ kind: 'task', id: 't' });
    expect(streamResultTo(event({ message }))).toMatchObject({ kind: 'message', messageId: 'm', role: 'agent' });
    expect(sendResultTo(fromJson(SendMessageResponseSchema, { message }))).toMatchObject({ kind: 'message' });
    expect(sendResultTo(fromJson(SendMessageResponseSchema, { task: { id: 't', status: STATUS } }))).toMatchObject({
      kind: 'task',
    });
  });
});

describe('a webhook', () => {
  it('is listed with the task it belongs to, and its scheme as a list', () => {
    const authentication = { scheme: 'Bearer', credentials: 'abc' };
    const configs: JsonObject[] = [
      { taskId: 't', id: 'p', url: 'https://hook.example/', token: 'x', authentication },
      { taskId: 't', url: 'https://hook.example/' },
    ];
    expect(pushConfigsTo(fromJson(ListTaskPushNotificationConfigsResponseSchema, { configs }))).toEqual([
      {
        taskId: 't',
        pushNotificationConfig: {
          id: 'p',
          url: 'https://hook.example/',
          token: 'x',
          authentication: { schemes: ['Bearer'], credentials: 'abc' },
        },
      },
      { taskId: 't', pushNotificationConfig: { url: 'https://hook.example/' } },
    ]);
  });
});
