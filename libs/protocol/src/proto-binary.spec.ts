import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { A2AError } from './a2a-error.js';
import {
  type Part,
  ListTasksRequestSchema,
  type MessageSchema,
  SendMessageRequestSchema,
  TaskSchema,
} from './gen/lf/a2a/v1/a2a_pb.js';
import { decodeBinary } from './proto-binary.js';
import { decodeJson } from './proto-json.js';

type Data = Extract<Part['content'], { case: 'data' }>['value'];
type Kind = Data['kind'];

function refusalOf(decode: () => unknown): A2AError {
  try {
    decode();
  } catch (error) {
    if (error instanceof A2AError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

function withMessage(message: MessageInitShape<typeof MessageSchema>): Uint8Array {
  return toBinary(SendMessageRequestSchema, create(SendMessageRequestSchema, { message }));
}

function withData(kind: Kind): Uint8Array {
  const value = { $typeName: 'google.protobuf.Value' as const, kind };
  return withMessage({ parts: [{ content: { case: 'data', value } }] });
}

/** A list in a list in a list …, so many. */
function nestedKind(levels: number): Kind {
  let kind: Kind = { case: 'nullValue', value: 0 };
  for (let level = 0; level < levels; level++) {
    const values: Data[] = [{ $typeName: 'google.protobuf.Value', kind }];
    kind = { case: 'listValue', value: { $typeName: 'google.protobuf.ListValue', values } };
  }
  return kind;
}

function nestedJson(levels: number): unknown {
  return levels === 0 ? null : [nestedJson(levels - 1)];
}

describe('decodeBinary', () => {
  it('reads what was written', () => {
    const task = create(TaskSchema, { id: 't', metadata: { a: [1, 'two', null, { b: true }] } });
    expect(decodeBinary(TaskSchema, toBinary(TaskSchema, task))).toEqual(task);
  });

  it('ignores fields that it does not know', () => {
    const bytes = Buffer.concat([Buffer.of(0xf8, 0x07, 0x01), toBinary(TaskSchema, create(TaskSchema, { id: 't' }))]);
    expect(decodeBinary(TaskSchema, bytes)).toEqual(create(TaskSchema, { id: 't' }));
  });

  it.each([
    ['no protobuf', Buffer.from('{"message": {}}')],
    ['bytes that stop short', Buffer.of(0x12, 0x7f, 0x01)],
    ['text that is no UTF-8', Buffer.of(0x0a, 0x02, 0xc3, 0x28)],
    ['half of a surrogate pair', Buffer.of(0x0a, 0x03, 0xed, 0xa0, 0x80)],
  ])('refuses %s', (_what, bytes) => {
    expect(refusalOf(() => decodeBinary(SendMessageRequestSchema, bytes))).toMatchObject({
      reason: 'INVALID_PARAMS',
      message: 'Invalid parameters: the request does not read as SendMessageRequest',
    });
  });

  it.each([
    ['a text', { messageId: 'a\0b' }, { messageId: 'a\0b' }, 'message.messageId'],
    ['a text in a list', { extensions: ['x', '\0'] }, { extensions: ['x', '\0'] }, 'message.extensions[1]'],
    ['metadata', { metadata: { a: ['\0'] } }, { metadata: { a: ['\0'] } }, 'message.metadata.a[0]'],
    ['a key of metadata', { metadata: { '\0': 1 } }, { metadata: { '\0': 1 } }, 'message.metadata["\\u0000"]'],
    [
      'a part',
      { parts: [{}, { content: { case: 'text' as const, value: '\0' } }] },
      { parts: [{}, { text: '\0' }] },
      'message.parts[1].text',
    ],
  ])('refuses the character U+0000 in %s with the words that JSON is refused with', (_where, message, json, field) => {
    const refusal = refusalOf(() => decodeBinary(SendMessageRequestSchema, withMessage(message)));

    expect(refusal.violations).toEqual([{ field, description: 'contains the character U+0000' }]);
    expect(refusalOf(() => decodeJson(SendMessageRequestSchema, { message: json })).message).toBe(refusal.message);
  });

  it.each([60, 61, 200, 600])('treats data of %i levels like JSON', (levels) => {
    const binary = () => decodeBinary(SendMessageRequestSchema, withData(nestedKind(levels)));
    const json = { message: { parts: [{ data: nestedJson(Math.min(levels, 1_000)) }] } };
    if (levels === 60) {
      expect(binary()).toEqual(decodeJson(SendMessageRequestSchema, json));
      return;
    }
    const refusal = refusalOf(binary);
    expect(refusal.reason).toBe('INVALID_PARAMS');
    if (levels < 200) expect(refusalOf(() => decodeJson(SendMessageRequestSchema, json)).message).toBe(refusal.message);
  });

  it.each([
    [{ case: 'numberValue', value: NaN }, 'must be a finite number'],
    [{ case: 'numberValue', value: -Infinity }, 'must be a finite number'],
    [{ case: 'stringValue', value: '\0' }, 'contains the character U+0000'],
    [{ case: undefined }, 'is a google.protobuf.Value without a value'],
  ] as [Kind, string][])('refuses the value %o', (kind, description) => {
    expect(refusalOf(() => decodeBinary(SendMessageRequestSchema, withData(kind))).violations).toEqual([
      { field: 'message.parts[0].data', description },
    ]);
    const value = { $typeName: 'google.protobuf.Value' as const, kind };
    const struct = { $typeName: 'google.protobuf.Struct' as const, fields: { a: value } };
    const inside: Kind = { case: 'structValue', value: struct };
    expect(refusalOf(() => decodeBinary(SendMessageRequestSchema, withData(inside))).violations).toEqual([
      { field: 'message.parts[0].data.a', description },
    ]);
  });

  it.each([
    [253_402_300_800n, 0],
    [-62_135_596_801n, 0],
    [0n, -1],
    [0n, 1_000_000_000],
  ])('refuses the time %i seconds and %i nanoseconds, which ProtoJSON cannot write', (seconds, nanos) => {
    const bytes = toBinary(
      ListTasksRequestSchema,
      create(ListTasksRequestSchema, { statusTimestampAfter: { seconds, nanos } }),
    );
    const { message } = refusalOf(() => decodeBinary(ListTasksRequestSchema, bytes));
    expect(message).toBe(
      refusalOf(() => decodeJson(ListTasksRequestSchema, { statusTimestampAfter: 'never' })).message,
    );
  });
});
