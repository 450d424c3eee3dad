import { type DescMessage } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { A2AError, type FieldViolation } from './a2a-error.js';
import {
  AgentCardSchema,
  ListTasksRequestSchema,
  MessageSchema,
  SendMessageRequestSchema,
} from './gen/lf/a2a/v1/a2a_pb.js';
import { decodeJson, jsonText, toJsonObject } from './proto-json.js';

function violation(schema: DescMessage, json: unknown): FieldViolation {
  try {
    decodeJson(schema, json);
  } catch (error) {
    if (error instanceof A2AError && error.reason === 'INVALID_PARAMS' && error.violations.length === 1) {
      return error.violations[0]!;
    }
    throw error;
  }
  throw new Error('decodeJson took it');
}

const message = (more: object = {}) => ({ messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'Hello' }], ...more });
const withPart = (part: unknown) => ({ message: message({ parts: [{ text: 'first' }, part] }) });

describe('decodeJson', () => {
  it('reads camelCase and snake_case names alike', () => {
    const camel = decodeJson(MessageSchema, message({ contextId: 'c', referenceTaskIds: ['t'] }));
    const snake = decodeJson(MessageSchema, {
      message_id: 'm1',
      context_id: 'c',
      reference_task_ids: ['t'],
      role: 'ROLE_USER',
      parts: [{ text: 'Hello' }],
    });
    expect(snake).toEqual(camel);
    expect(camel).toMatchObject({ messageId: 'm1', contextId: 'c', referenceTaskIds: ['t'] });
  });

  it('ignores unknown fields at every level', () => {
    const json = {
      message: message({ kind: 'message', parts: [{ text: 'Hello', kind: 'text' }] }),
      '[x]': 1,
      extra: { deep: [] },
    };
    expect(decodeJson(SendMessageRequestSchema, json)).toEqual(
      decodeJson(SendMessageRequestSchema, { message: message() }),
    );
  });

  it('reads null as absent', () => {
    const json = {
      message: message({ contextId: null, metadata: null, extensions: null }),
      configuration: null,
      tenant: null,
    };
    expect(decodeJson(SendMessageRequestSchema, json)).toEqual(
      decodeJson(SendMessageRequestSchema, { message: message() }),
    );
  });

  it.each([
    [{ raw: 'AP+A' }, { case: 'raw', value: new Uint8Array([0, 255, 128]) }],
    [{ raw: 'AP-A' }, { case: 'raw', value: new Uint8Array([0, 255, 128]) }],
    [{ url: 'https://example.com/a' }, { case: 'url', value: 'https://example.com/a' }],
    [{ text: '' }, { case: 'text', value: '' }],
  ])('reads the content of a part: %j', (part, content) => {
    expect(decodeJson(SendMessageRequestSchema, withPart(part)).message?.parts[1]?.content).toEqual(content);
  });

  it('keeps a null value of a data part', () => {
    const json = withPart({ data: null });
    expect(toJsonObject(SendMessageRequestSchema, decodeJson(SendMessageRequestSchema, json))).toEqual(json);
  });

  it.each<[string, DescMessage, unknown, string, string]>([
    ['no object', SendMessageRequestSchema, [], '', 'must be an object, not array'],
    ['nothing', SendMessageRequestSchema, null, '', 'must be an object, not null'],
    ['a text', SendMessageRequestSchema, 'x', '', 'must be an object, not string'],
    ['a message that is none', SendMessageRequestSchema, { message: 5 }, 'message', 'must be an object, not number'],
    [
      'a number for a text',
      SendMessageRequestSchema,
      { message: message({ messageId: 5 }) },
      'message.messageId',
      'must be a string, not number',
    ],
    [
      'a violation under a snake_case name',
      SendMessageRequestSchema,
      { message: message({ context_id: {} }) },
      'message.context_id',
      'must be a string, not object',
    ],
    [
      'a list that is none',
      SendMessageRequestSchema,
      { message: message({ parts: { text: 'x' } }) },
      'message.parts',
      'must be an array, not object',
    ],
    [
      'a list element that is none',
      SendMessageRequestSchema,
      withPart('text'),
      'message.parts[1]',
      'must be an object, not string',
    ],
    ['null in a list', SendMessageRequestSchema, withPart(null), 'message.parts[1]', 'must be an object, not null'],
    [
      'a number in a list of texts',
      MessageSchema,
      message({ extensions: ['urn:a', 7] }),
      'extensions[1]',
      'must be a string, not number',
    ],
    [
      'two contents',
      SendMessageRequestSchema,
      withPart({ text: 'a', data: {} }),
      'message.parts[1]',
      'has both text and data; only one of text, raw, url, data may be set',
    ],
    [
      'a field under both names',
      MessageSchema,
      message({ contextId: 'a', context_id: 'b' }),
      'contextId',
      'is given twice, also as context_id',
    ],
    ['bad base64', SendMessageRequestSchema, withPart({ raw: '!!!' }), 'message.parts[1].raw', 'is not valid base64'],
    [
      'base64 cut short',
      SendMessageRequestSchema,
      withPart({ raw: 'AAAAA' }),
      'message.parts[1].raw',
      'is not valid base64',
    ],
    [
      'bytes as a list',
      SendMessageRequestSchema,
      withPart({ raw: [1, 2] }),
      'message.parts[1].raw',
      'must be a base64 string, not array',
    ],
    [
      'an unknown enum text',
      SendMessageRequestSchema,
      { message: message({ role: 'user' }) },
      'message.role',
      'must be one of ROLE_USER, ROLE_AGENT',
    ],
    [
      'an enum out of range',
      SendMessageRequestSchema,
      { message: message({ role: 2 ** 40 }) },
      'message.role',
      'must be one of ROLE_USER, ROLE_AGENT',
    ],
    [
      'an enum with a fraction',
      SendMessageRequestSchema,
      { message: message({ role: 1.5 }) },
      'message.role',
      'must be one of ROLE_USER, ROLE_AGENT',
    ],
    [
      'a legacy state',
      ListTasksRequestSchema,
      { status: 'working' },
      'status',
      'must be one of TASK_STATE_SUBMITTED, TASK_STATE_WORKING',
    ],
    ['a broken number', ListTasksRequestSchema, { pageSize: 1.5 }, 'pageSize', 'must be a 32-bit integer'],
    ['a huge number', ListTasksRequestSchema, { page_size: 1e12 }, 'page_size', 'must be a 32-bit integer'],
    [
      'a text for a number',
      ListTasksRequestSchema,
      { historyLength: 'many' },
      'historyLength',
      'must be a 32-bit integer',
    ],
    [
      'a text for a boolean',
      ListTasksRequestSchema,
      { includeArtifacts: 'true' },
      'includeArtifacts',
      'must be true or false, not string',
    ],
    [
      'a date without a time',
      ListTasksRequestSchema,
      { statusTimestampAfter: '2026-01-01' },
      'statusTimestampAfter',
      'must be a timestamp such as 2026-01-01T00:00:00.000Z',
    ],
    [
      'a month that is none',
      ListTasksRequestSchema,
      { statusTimestampAfter: '2026-13-01T00:00:00Z' },
      'statusTimestampAfter',
      'must be a timestamp',
    ],
    ['metadata as a list', SendMessageRequestSchema, { metadata: [1] }, 'metadata', 'must be an object, not array'],
    ['a map that is none', AgentCardSchema, { securitySchemes: [] }, 'securitySchemes', 'must be an object, not array'],
    [
      'a violation in a map',
      AgentCardSchema,
      { securitySchemes: { 'my key': { mtlsSecurityScheme: { description: 1 } } } },
      'securitySchemes["my key"].mtlsSecurityScheme.description',
      'must be a string, not number',
    ],
    [
      'null in a map',
      AgentCardSchema,
      { securityRequirements: [{ schemes: { key: null } }] },
      'securityRequirements[0].schemes.key',
      'must be an object, not null',
    ],
    [
      'a NUL in a text',
      SendMessageRequestSchema,
      withPart({ text: 'a\0' }),
      'message.parts[1].text',
      'contains the character U+0000',
    ],
    [
      'a NUL inside data',
      SendMessageRequestSchema,
      withPart({ data: { a: ['\0'] } }),
      'message.parts[1].data.a[0]',
      'contains the character U+0000',
    ],
    ['a NUL in an unknown field', SendMessageRequestSchema, { other: '\0' }, 'other', 'contains the character U+0000'],
    [
      'half a surrogate pair',
      SendMessageRequestSchema,
      { message: message({ messageId: '\ud83d' }) },
      'message.messageId',
      'contains half of a surrogate pair',
    ],
  ])('refuses %s and names the place', (_, schema, json, field, fact) => {
    const found = violation(schema, json);
    expect(found.field).toBe(field);
    expect(found.description).toContain(fact);
  });

  it('finds the violation among unknown fields', () => {
    const json = { unknown: 1, message: message({ kind: 'message', parts: [{ kind: 'file', raw: '?' }] }) };
    expect(violation(SendMessageRequestSchema, json).field).toBe('message.parts[0].raw');
  });

  it('takes data 64 levels deep and refuses more', () => {
    const data = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
    // The request, its message, the list of parts and the part are four levels.
    const json = { message: message({ parts: [{ data: data(60) }] }) };
    expect(toJsonObject(SendMessageRequestSchema, decodeJson(SendMessageRequestSchema, json))).toEqual(json);
    const tooDeep = violation(SendMessageRequestSchema, { message: message({ parts: [{ data: data(61) }] }) });
    expect(tooDeep.description).toBe('is nested deeper than 64 levels');
    expect(tooDeep.field).toMatch(/^message\.parts\[0\]\.data(\[0\]){60}$/);
  });

  it('keeps keys named __proto__ and constructor plain data, and ignores them as fields', () => {
    const json: unknown = JSON.parse(
      '{"__proto__":{"tenant":"evil"},"constructor":1,"toString":2,"message":{"messageId":"m","role":"ROLE_USER",' +
        '"parts":[{"data":{"__proto__":{"admin":true}}}],"metadata":{"__proto__":{"admin":true}}}}',
    );
    const decoded = decodeJson(SendMessageRequestSchema, json);
    expect(decoded.tenant).toBe('');
    expect((decoded.message?.metadata as { admin?: boolean }).admin).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    expect(jsonText(MessageSchema, decoded.message!)).toBe(
      '{"messageId":"m","role":"ROLE_USER","parts":[{"data":{"__proto__":{"admin":true}}}],"metadata":{"__proto__":{"admin":true}}}',
    );
  });

  it('answers a hostile key or value with a short text', () => {
    const long = 'x'.repeat(1_000_000);
    const json = { securitySchemes: { [long]: { mtlsSecurityScheme: { description: [long] } } } };
    expect(JSON.stringify(violation(AgentCardSchema, json)).length).toBeLessThan(300);
    expect(JSON.stringify(violation(ListTasksRequestSchema, { status: long })).length).toBeLessThan(500);
  });

  it('names the last of very many elements', () => {
    const parts: unknown[] = Array.from({ length: 50_000 }, () => ({ text: '', unknown: 1 }));
    parts.push({ raw: '?' });
    expect(violation(SendMessageRequestSchema, { message: message({ parts }) }).field).toBe('message.parts[50000].raw');
  });
});

describe('jsonText', () => {
  it('is the JSON of the message on one line', () => {
    const decoded = decodeJson(MessageSchema, message({ parts: [{ text: 'two\nlines' }] }));
    expect(jsonText(MessageSchema, decoded)).toBe(
      '{"messageId":"m1","role":"ROLE_USER","parts":[{"text":"two\\nlines"}]}',
    );
  });
});
