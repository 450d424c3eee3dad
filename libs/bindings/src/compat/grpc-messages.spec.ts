import { create, fromJson, type JsonObject, toJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  A2AError,
  MessageSchema,
  SendMessageResponseSchema,
  StreamResponseSchema,
  type StreamResponseJson,
  TaskSchema,
  TaskState,
  v03,
} from '#protocol';
import { messageFrom03, messageTo03, sendMessageResponseTo03, streamResponseTo03, taskTo03 } from './grpc-messages.js';

/** Package a2a.v1 in ProtoJSON, so that tests show what its names are. */
function from03(json: JsonObject): unknown {
  return toJson(MessageSchema, messageFrom03(fromJson(v03.MessageSchema, json)));
}

function to03(json: JsonObject): unknown {
  return toJson(v03.MessageSchema, messageTo03(fromJson(MessageSchema, json)));
}

function parts03(...content: JsonObject[]): JsonObject {
  return { messageId: 'm', role: 'ROLE_USER', content };
}

function parts10(...parts: JsonObject[]): JsonObject {
  return { messageId: 'm', role: 'ROLE_USER', parts };
}

describe('a message between a2a.v1 and 1.0', () => {
  it.each([
    ['a text', { text: 'Hello' }, { text: 'Hello' }],
    ['an empty text', { text: '' }, { text: '' }],
    [
      'a file by address',
      { file: { fileWithUri: 'https://example.com/a', mimeType: 'image/png' } },
      { url: 'https://example.com/a', mediaType: 'image/png' },
    ],
    [
      'a file by value',
      { file: { fileWithBytes: 'AP8K', mimeType: 'application/pdf' } },
      { raw: 'AP8K', mediaType: 'application/pdf' },
    ],
    ['a file without a type', { file: { fileWithBytes: '' } }, { raw: '' }],
    [
      'data',
      { data: { data: { n: 1.5, list: [null, [true]], deep: { empty: {} } } } },
      { data: { n: 1.5, list: [null, [true]], deep: { empty: {} } } },
    ],
  ])('carries %s both ways', (_, in03, in10) => {
    expect(from03(parts03(in03))).toEqual(parts10(in10));
    expect(to03(parts10(in10))).toEqual(parts03(in03));
  });

  it('carries ids, role, metadata and extensions both ways', () => {
    const fields = {
      ...{ messageId: 'm', contextId: 'c', taskId: 't', role: 'ROLE_AGENT' },
      ...{ metadata: { a: [1] }, extensions: ['urn:x'] },
    };
    expect(from03({ ...fields, content: [{ text: 'x' }] })).toEqual({ ...fields, parts: [{ text: 'x' }] });
    expect(to03({ ...fields, parts: [{ text: 'x' }] })).toEqual({ ...fields, content: [{ text: 'x' }] });
  });

  it('keeps a role that nobody knows, for the check that names it', () => {
    const message = create(v03.MessageSchema, { messageId: 'm', role: 7 as v03.Role });
    expect(messageFrom03(message).role).toBe(7);
  });

  it('reads data that is missing as an empty object', () => {
    expect(from03(parts03({ data: {} }))).toEqual(parts10({ data: {} }));
  });

  it.each([
    ['no kind', {}, 'message.content[1]', 'must have one of text, file and data'],
    ['an empty file', { file: {} }, 'message.content[1].file', 'must have one of fileWithUri and fileWithBytes'],
  ])('refuses a part of %s by its place', (_, part, field, description) => {
    const read = () => from03(parts03({ text: 'fine' }, part));
    expect(read).toThrow(A2AError);
    expect(read).toThrow(expect.objectContaining({ violations: [{ field, description }] }));
  });

  it.each([
    ['a list', [1, 2]],
    ['a text', 'x'],
    ['a number', 0],
    ['null', null],
  ])('wraps data that is %s: data is an object in 0.3', (_, value) => {
    expect(to03(parts10({ data: value }))).toEqual(parts03({ data: { data: { value } } }));
  });

  it('leaves out what a2a.v1 has no field for', () => {
    const text = { text: 'x', mediaType: 'text/plain', metadata: { a: 1 } };
    const message = { ...parts10(text, { raw: 'AA==', filename: 'a.bin' }), referenceTaskIds: ['t'] };
    expect(to03(message)).toEqual(parts03({ text: 'x' }, { file: { fileWithBytes: 'AA==' } }));
  });

  it('does not let an unknown field of a2a.v1 become one of 1.0', () => {
    // Field 8 is nothing in a2a.v1, and referenceTaskIds in 1.0.
    const message = create(v03.MessageSchema, { messageId: 'm', role: v03.Role.USER });
    message.$unknown = [{ no: 8, wireType: 2, data: Uint8Array.of(1, 0x78) }];
    expect(messageFrom03(message)).toEqual(create(MessageSchema, { messageId: 'm', role: 1 }));
  });
});

const STATUS = { state: 'TASK_STATE_WORKING', timestamp: '2026-01-02T03:04:05.678Z' } as const;

describe('a task in a2a.v1', () => {
  it('has status, artifacts, history and metadata under the names of 0.3', () => {
    const task = fromJson(TaskSchema, {
      ...{ id: 't', contextId: 'c', metadata: { createdAt: 'x' } },
      status: { ...STATUS, message: { messageId: 'a', role: 'ROLE_AGENT', parts: [{ text: 'on it' }] } },
      artifacts: [
        {
          ...{ artifactId: 'r', name: 'n', description: 'd', extensions: ['urn:x'], metadata: { k: 1 } },
          parts: [{ text: 'out' }],
        },
      ],
      history: [{ messageId: 'u', role: 'ROLE_USER', parts: [{ text: 'in' }] }],
    });
    expect(toJson(v03.TaskSchema, taskTo03(task))).toEqual({
      ...{ id: 't', contextId: 'c', metadata: { createdAt: 'x' } },
      status: { ...STATUS, message: { messageId: 'a', role: 'ROLE_AGENT', content: [{ text: 'on it' }] } },
      artifacts: [
        {
          ...{ artifactId: 'r', name: 'n', description: 'd', extensions: ['urn:x'], metadata: { k: 1 } },
          parts: [{ text: 'out' }],
        },
      ],
      history: [{ messageId: 'u', role: 'ROLE_USER', content: [{ text: 'in' }] }],
    });
  });

  it.each(
    Object.entries(TaskState)
      .filter((entry): entry is [string, TaskState] => typeof entry[1] === 'number')
      .map(([name, state]) => [name, name.replace('CANCELED', 'CANCELLED'), state] as const),
  )('is %s as %s', (_, name, state) => {
    expect(v03.TaskState[taskTo03(create(TaskSchema, { status: { state } })).status!.state]).toBe(name);
  });
});

describe('an answer in a2a.v1', () => {
  const task = { id: 't', contextId: 'c', status: STATUS };
  const message = { messageId: 'a', role: 'ROLE_AGENT' } as const;

  it('is the task or the message of SendMessage', () => {
    const answer = (json: JsonObject) =>
      toJson(v03.SendMessageResponseSchema, sendMessageResponseTo03(fromJson(SendMessageResponseSchema, json)));
    expect(answer({ task })).toEqual({ task });
    expect(answer({ message: { ...message, parts: [{ text: 'x' }] } })).toEqual({
      message: { ...message, content: [{ text: 'x' }] },
    });
  });

  function streamed(json: StreamResponseJson): unknown {
    const event = streamResponseTo03(fromJson(StreamResponseSchema, json));
    return toJson(v03.StreamResponseSchema, event);
  }

  it('is a task, a message or an artifact of a stream', () => {
    expect(streamed({ task })).toEqual({ task });
    expect(streamed({ message: { ...message, parts: [{ text: 'x' }] } })).toEqual({
      message: { ...message, content: [{ text: 'x' }] },
    });
    const artifactUpdate = {
      ...{ taskId: 't', contextId: 'c', append: true, lastChunk: true, metadata: { k: 1 } },
      artifact: { artifactId: 'r', parts: [{ text: 'x' }] },
    };
    expect(streamed({ artifactUpdate })).toEqual({ artifactUpdate });
  });

  it.each([
    ['SUBMITTED', undefined],
    ['WORKING', undefined],
    ['AUTH_REQUIRED', undefined],
    ['INPUT_REQUIRED', true],
    ['COMPLETED', true],
    ['FAILED', true],
    ['CANCELED', true],
    ['REJECTED', true],
  ] as const)('says of a change to %s whether it is final: %s', (state, final) => {
    const update = { taskId: 't', contextId: 'c', status: { ...STATUS, state: `TASK_STATE_${state}` as const } };
    const expected = { ...update.status, state: update.status.state.replace('CANCELED', 'CANCELLED') };
    expect(streamed({ statusUpdate: { ...update, metadata: { k: 1 } } })).toEqual({
      statusUpdate: { ...update, status: expected, metadata: { k: 1 }, ...(final && { final }) },
    });
  });
});
