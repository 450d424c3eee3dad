import { toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { A2AError, SendMessageRequestSchema, TaskPushNotificationConfigSchema, toJsonObject } from '#protocol';
import { JsonField } from './json-field.js';
import {
  cancelTaskFrom,
  deletePushConfigFrom,
  getPushConfigFrom,
  getTaskFrom,
  listPushConfigsFrom,
  sendMessageFrom,
  setPushConfigFrom,
} from './json-requests.js';

const MESSAGE = { kind: 'message', role: 'user', messageId: 'm-1', parts: [{ kind: 'text', text: 'Hi' }] };

/** As a client's JSON has it: without what is undefined. */
function paramsOf(params: unknown): JsonField {
  return JsonField.params(JSON.parse(JSON.stringify(params)));
}

function sent(params: unknown) {
  return toJson(SendMessageRequestSchema, sendMessageFrom(paramsOf(params)));
}

function refusal(params: unknown, read: (field: JsonField) => unknown = sendMessageFrom): string {
  try {
    read(paramsOf(params));
  } catch (error) {
    if (error instanceof A2AError && error.reason === 'INVALID_PARAMS') {
      const [{ field, description } = { field: '', description: '' }] = error.violations;
      return `${field} ${description}`;
    }
  }
  throw new Error('nothing was refused');
}

describe('the params of message/send', () => {
  it('become a request of 1.0 with every field in its place', () => {
    const request = sent({
      message: {
        ...MESSAGE,
        parts: [
          { kind: 'text', text: 'Hi', metadata: { lang: 'en' } },
          { kind: 'file', file: { bytes: 'AAEC', name: 'a.bin', mimeType: 'application/octet-stream' } },
          { kind: 'file', file: { uri: 'https://files.example/a.png', mimeType: 'image/png' }, metadata: { n: 1 } },
          { kind: 'data', data: { rows: [1, null, { deep: true }] } },
        ],
        contextId: 'c-1',
        taskId: 't-1',
        metadata: { a: [1] },
        extensions: ['urn:x'],
        referenceTaskIds: ['t-0'],
      },
      configuration: {
        acceptedOutputModes: ['text/plain'],
        historyLength: 3,
        blocking: false,
        pushNotificationConfig: {
          id: 'p-1',
          url: 'https://hook.example/',
          token: 'secret',
          authentication: { schemes: ['Bearer', 'Basic'], credentials: 'abc' },
        },
      },
      metadata: { 'idempotency-key': 'k' },
    });
    expect(request).toEqual({
      message: {
        messageId: 'm-1',
        role: 'ROLE_USER',
        contextId: 'c-1',
        taskId: 't-1',
        parts: [
          { text: 'Hi', metadata: { lang: 'en' } },
          { raw: 'AAEC', filename: 'a.bin', mediaType: 'application/octet-stream' },
          { url: 'https://files.example/a.png', mediaType: 'image/png', metadata: { n: 1 } },
          { data: { rows: [1, null, { deep: true }] } },
        ],
        metadata: { a: [1] },
        extensions: ['urn:x'],
        referenceTaskIds: ['t-0'],
      },
      configuration: {
        acceptedOutputModes: ['text/plain'],
        historyLength: 3,
        returnImmediately: true,
        taskPushNotificationConfig: {
          id: 'p-1',
          url: 'https://hook.example/',
          token: 'secret',
          authentication: { scheme: 'Bearer', credentials: 'abc' },
        },
      },
      metadata: { 'idempotency-key': 'k' },
    });
  });

  it.each([
    [undefined, undefined],
    [{}, undefined],
    [{ blocking: true }, undefined],
    [{ blocking: null }, undefined],
    [{ blocking: false }, true],
  ])('with the configuration %j return immediately: %j', (configuration, returnImmediately) => {
    const request = sent({ message: MESSAGE, configuration }) as { configuration?: { returnImmediately?: boolean } };
    expect(request.configuration?.returnImmediately).toBe(returnImmediately);
  });

  it('tell a history of length 0 from one of any length', () => {
    const lengthOf = (configuration: object) =>
      sendMessageFrom(JsonField.params({ message: MESSAGE, configuration })).configuration?.historyLength;
    expect([lengthOf({ historyLength: 0 }), lengthOf({})]).toEqual([0, undefined]);
  });

  it('may leave out the kind of the message, name unknown fields, and say null for nothing', () => {
    const message = { ...MESSAGE, kind: undefined, taskId: null, metadata: null, future: { x: 1 } };
    expect(sent({ message, configuration: null, future: 1 })).toEqual({
      message: { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'Hi' }] },
    });
  });

  it('unwrap a value that 0.3 could only hold in an object', () => {
    const part = { kind: 'data', data: { value: [1, 2] }, metadata: { data_part_compat: true, more: 'x' } };
    expect(sent({ message: { ...MESSAGE, parts: [part] } })).toMatchObject({
      message: { parts: [{ data: [1, 2], metadata: { more: 'x' } }] },
    });
  });

  it.each<[string, unknown]>([
    ['message is required', {}],
    ['message is required', null],
    [' must be an object, not array', []],
    [' must be an object, not string', 'message'],
    ['message must be an object, not array', { message: [] }],
    ['message.kind must be one of message', { message: { ...MESSAGE, kind: 'task' } }],
    ['message.messageId is required', { message: { ...MESSAGE, messageId: undefined } }],
    ['message.messageId is required and must not be empty', { message: { ...MESSAGE, messageId: '' } }],
    ['message.messageId must be a string, not number', { message: { ...MESSAGE, messageId: 1 } }],
    ['message.role is required', { message: { ...MESSAGE, role: undefined } }],
    ['message.role must be one of user, agent', { message: { ...MESSAGE, role: 'ROLE_USER' } }],
    ['message.role must be user in a message from a client', { message: { ...MESSAGE, role: 'agent' } }],
    ['message.parts is required', { message: { ...MESSAGE, parts: undefined } }],
    ['message.parts must have at least one element', { message: { ...MESSAGE, parts: [] } }],
    ['message.parts[0] must be an object, not string', { message: { ...MESSAGE, parts: ['Hi'] } }],
    ['message.parts[0].kind is required', { message: { ...MESSAGE, parts: [{ text: 'Hi' }] } }],
    ['message.parts[0].kind is required', { message: { ...MESSAGE, parts: [{ type: 'text', text: 'Hi' }] } }],
    [
      'message.parts[1].kind must be one of text, file, data',
      { message: { ...MESSAGE, parts: [...MESSAGE.parts, { kind: 'image' }] } },
    ],
    [
      'message.parts[0].text must be a string, not number',
      { message: { ...MESSAGE, parts: [{ kind: 'text', text: 5 }] } },
    ],
    ['message.parts[0].file is required', { message: { ...MESSAGE, parts: [{ kind: 'file' }] } }],
    [
      'message.parts[0].file must have either bytes or uri',
      { message: { ...MESSAGE, parts: [{ kind: 'file', file: { name: 'a' } }] } },
    ],
    [
      'message.parts[0].file must have either bytes or uri',
      { message: { ...MESSAGE, parts: [{ kind: 'file', file: { bytes: 'AA==', uri: 'https://a.example/' } }] } },
    ],
    [
      'message.parts[0].file.bytes is not valid base64',
      { message: { ...MESSAGE, parts: [{ kind: 'file', file: { bytes: '?' } }] } },
    ],
    [
      'message.parts[0].file.uri must be an absolute URL',
      { message: { ...MESSAGE, parts: [{ kind: 'file', file: { uri: 'a.png' } }] } },
    ],
    [
      'message.parts[0].file.mimeType must be a media type such as text/plain',
      { message: { ...MESSAGE, parts: [{ kind: 'file', file: { bytes: 'AA==', mimeType: 'png' } }] } },
    ],
    ['message.parts[0].data is required', { message: { ...MESSAGE, parts: [{ kind: 'data', data: null }] } }],
    [
      'message.parts[0].data must be an object, not array',
      { message: { ...MESSAGE, parts: [{ kind: 'data', data: [1] }] } },
    ],
    [
      'message.parts[0].text contains the character U+0000',
      { message: { ...MESSAGE, parts: [{ kind: 'text', text: '\0' }] } },
    ],
    ['message.metadata must be an object, not string', { message: { ...MESSAGE, metadata: 'x' } }],
    ['message.extensions[0] must be a string, not number', { message: { ...MESSAGE, extensions: [1] } }],
    [
      'configuration.blocking must be true or false, not string',
      { message: MESSAGE, configuration: { blocking: 'no' } },
    ],
    [
      'configuration.historyLength must be a whole number from 0 to 2147483647',
      { message: MESSAGE, configuration: { historyLength: -1 } },
    ],
    [
      'configuration.pushNotificationConfig.url is required',
      { message: MESSAGE, configuration: { pushNotificationConfig: {} } },
    ],
    [
      'configuration.pushNotificationConfig.authentication.schemes must have at least one element',
      { message: MESSAGE, configuration: { pushNotificationConfig: { url: 'u', authentication: { schemes: [] } } } },
    ],
  ])('are refused: %s', (fact, params) => {
    expect(refusal(params)).toBe(fact);
  });

  it('take nothing from the prototypes of objects', () => {
    expect(refusal(JSON.parse('{"__proto__":{"message":{}}}'))).toBe('message is required');
    expect(refusal({ message: { ...MESSAGE, parts: [{ kind: 'constructor' }] } })).toContain('message.parts[0].kind');
  });
});

describe('the params of the other methods', () => {
  it('name tasks by id', () => {
    expect(getTaskFrom(JsonField.params({ id: 't', historyLength: 2 }))).toMatchObject({ id: 't', historyLength: 2 });
    expect(cancelTaskFrom(JsonField.params({ id: 't', metadata: { a: 1 } }))).toMatchObject({
      id: 't',
      metadata: { a: 1 },
    });
    expect(listPushConfigsFrom(JsonField.params({ id: 't' }))).toMatchObject({ taskId: 't' });
    expect(refusal({}, getTaskFrom)).toBe('id is required');
    expect(refusal({ id: 7 }, cancelTaskFrom)).toBe('id must be a string, not number');
    expect(refusal({ id: 't', historyLength: 1.5 }, getTaskFrom)).toContain('historyLength must be a whole number');
  });

  it('name webhooks by the task and an id of their own, which only a read may leave out', () => {
    const params = { id: 't', pushNotificationConfigId: 'p' };
    expect(getPushConfigFrom(JsonField.params(params))).toMatchObject({ taskId: 't', id: 'p' });
    expect(getPushConfigFrom(JsonField.params({ id: 't' }))).toMatchObject({ taskId: 't', id: '' });
    expect(deletePushConfigFrom(JsonField.params(params))).toMatchObject({ taskId: 't', id: 'p' });
    expect(refusal({ id: 't' }, deletePushConfigFrom)).toBe('pushNotificationConfigId is required');
  });

  it('set a webhook of a task', () => {
    const config = setPushConfigFrom(
      JsonField.params({ taskId: 't', pushNotificationConfig: { url: 'https://hook.example/', token: 'x' } }),
    );
    expect(toJsonObject(TaskPushNotificationConfigSchema, config)).toEqual({
      taskId: 't',
      url: 'https://hook.example/',
      token: 'x',
    });
    expect(refusal({ pushNotificationConfig: { url: 'u' } }, setPushConfigFrom)).toBe('taskId is required');
  });
});
