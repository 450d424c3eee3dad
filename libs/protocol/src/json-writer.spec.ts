import {
  create,
  type DescMessage,
  type JsonObject,
  type MessageJsonType,
  type MessageShape,
  toJson,
} from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  AgentCardSchema,
  ListTasksRequestSchema,
  ListTasksResponseSchema,
  MessageSchema,
  TaskSchema,
  TaskState,
} from './gen/lf/a2a/v1/a2a_pb.js';
import { writeJson } from './json-writer.js';
import { decodeJson } from './proto-json.js';

const message = (more: object = {}) => ({ messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'Hello' }], ...more });

/** What is written, read again. */
function reread<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>) {
  return JSON.parse(writeJson(schema, message)) as MessageJsonType<Desc> & JsonObject;
}

describe('writeJson', () => {
  it.each([
    ['2026-01-01T03:00:00Z', '2026-01-01T03:00:00.000Z'],
    ['2026-01-01T03:00:00.678Z', '2026-01-01T03:00:00.678Z'],
    ['2026-01-01T03:00:00.5+02:00', '2026-01-01T01:00:00.500Z'],
    ['2026-01-01T03:00:00.123400Z', '2026-01-01T03:00:00.123Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ])('writes the timestamp %s with three fractional digits, in UTC', (timestamp, written) => {
    const task = decodeJson(TaskSchema, { id: 't', status: { state: 'TASK_STATE_WORKING', timestamp } });
    expect(reread(TaskSchema, task).status).toMatchObject({ timestamp: written });
  });

  it('leaves texts alone that look like timestamps', () => {
    const metadata = { at: '2026-01-01T03:00:00Z' };
    const json = {
      id: 't',
      status: { state: 'TASK_STATE_WORKING', message: message({ role: 'ROLE_AGENT' }) },
      metadata,
    };
    expect(reread(TaskSchema, decodeJson(TaskSchema, json))).toEqual(json);
  });

  it('always writes the four fields of a list answer, and a task in it without artifacts as one without', () => {
    expect(reread(ListTasksResponseSchema, create(ListTasksResponseSchema))).toEqual({
      tasks: [],
      nextPageToken: '',
      pageSize: 0,
      totalSize: 0,
    });
    const tasks = [{ id: 't', status: { state: TaskState.WORKING } }];
    expect(reread(ListTasksResponseSchema, create(ListTasksResponseSchema, { tasks, totalSize: 1 })).tasks).toEqual([
      { id: 't', status: { state: 'TASK_STATE_WORKING' } },
    ]);
  });

  it('always writes the required texts and lists of a card and of its skills', () => {
    const card = create(AgentCardSchema, { skills: [{ id: 's' }], capabilities: {} });
    expect(reread(AgentCardSchema, card)).toEqual({
      name: '',
      description: '',
      supportedInterfaces: [],
      version: '',
      capabilities: {},
      defaultInputModes: [],
      defaultOutputModes: [],
      skills: [{ id: 's', name: '', description: '', tags: [] }],
    });
  });

  it('writes an optional field that is set to its zero value, and none that is not set', () => {
    expect(
      reread(ListTasksRequestSchema, create(ListTasksRequestSchema, { historyLength: 0, includeArtifacts: false })),
    ).toEqual({
      historyLength: 0,
      includeArtifacts: false,
    });
    expect(reread(ListTasksRequestSchema, create(ListTasksRequestSchema))).toEqual({});
  });

  it('gives an object of its own: changing it does not change the message', () => {
    const decoded = decodeJson(MessageSchema, message({ metadata: { nested: { list: [1] } } }));
    const json = reread(MessageSchema, decoded);
    (json.metadata as { nested: { list: number[] } }).nested.list.push(2);
    expect(reread(MessageSchema, decoded).metadata).toEqual({ nested: { list: [1] } });
  });

  it('says the same as protobuf-es where A2A adds nothing to ProtoJSON', () => {
    const json = {
      name: 'n',
      description: 'd',
      version: '1',
      documentationUrl: '',
      iconUrl: 'https://x/i',
      supportedInterfaces: [{ url: 'u', protocolBinding: 'JSONRPC', tenant: 't', protocolVersion: '1.0' }],
      provider: { url: 'u', organization: 'o' },
      capabilities: {
        streaming: true,
        pushNotifications: false,
        extensions: [{ uri: 'urn:e', required: true, params: { a: [null, 1, { b: false }] } }],
      },
      securitySchemes: {
        key: { apiKeySecurityScheme: { location: 'header', name: 'x' } },
        oauth: {
          oauth2SecurityScheme: {
            flows: { clientCredentials: { tokenUrl: 'u', scopes: { __proto: 'x', read: 'Read' } } },
          },
        },
      },
      securityRequirements: [{ schemes: { key: {}, oauth: { list: ['read'] } } }],
      defaultInputModes: ['text/plain'],
      defaultOutputModes: ['text/plain'],
      skills: [{ id: 's', name: 'n', description: 'd', tags: ['t'], examples: ['e'] }],
      signatures: [{ protected: 'p', signature: 's', header: { kid: '1' } }],
    };
    const card = decodeJson(AgentCardSchema, json);
    expect(reread(AgentCardSchema, card)).toEqual(json);
    expect(reread(AgentCardSchema, card)).toEqual(toJson(AgentCardSchema, card));
    const parts = [
      { raw: 'AP+AAQ==' },
      { url: 'u', mediaType: 'a/b', filename: 'f', metadata: {} },
      { data: [1, { a: null }] },
    ];
    const said = decodeJson(MessageSchema, message({ parts, extensions: ['urn:e'] }));
    expect(reread(MessageSchema, said)).toEqual(toJson(MessageSchema, said));
  });

  it('writes an enum number it does not know as the number', () => {
    const task = create(TaskSchema, { id: 't', status: { state: 42 as TaskState } });
    expect(reread(TaskSchema, task)).toMatchObject({ status: { state: 42 } });
  });
});
