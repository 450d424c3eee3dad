import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  AgentCardSchema,
  GetTaskRequestSchema,
  ListTasksRequestSchema,
  SendMessageRequestSchema,
  StreamResponseSchema,
  type TaskState,
} from './gen/lf/a2a/v1/a2a_pb.js';
import { decodeJson } from './proto-json.js';
import { MAX_VIOLATIONS, requiredFieldViolations } from './required-fields.js';

const fields = (violations: { field: string }[]) => violations.map(({ field }) => field);

describe('requiredFieldViolations', () => {
  it('finds nothing in a complete request', () => {
    const json = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: '' }] } };
    expect(requiredFieldViolations(SendMessageRequestSchema, decodeJson(SendMessageRequestSchema, json))).toEqual([]);
  });

  it('says of each missing field what it needs', () => {
    expect(requiredFieldViolations(SendMessageRequestSchema, create(SendMessageRequestSchema))).toEqual([
      { field: 'message', description: 'is required' },
    ]);
    expect(
      requiredFieldViolations(SendMessageRequestSchema, create(SendMessageRequestSchema, { message: {} })),
    ).toEqual([
      { field: 'message.messageId', description: 'is required and must not be empty' },
      { field: 'message.role', description: 'is required' },
      { field: 'message.parts', description: 'must have at least one element' },
    ]);
  });

  it('names fields below the prefix in JSON spelling', () => {
    expect(fields(requiredFieldViolations(GetTaskRequestSchema, create(GetTaskRequestSchema), 'params'))).toEqual([
      'params.id',
    ]);
  });

  it('looks into messages, lists, maps and the chosen member of a oneof', () => {
    const card = create(AgentCardSchema, {
      name: 'n',
      description: 'd',
      version: '1',
      capabilities: {},
      defaultInputModes: ['a/b'],
      defaultOutputModes: ['a/b'],
      supportedInterfaces: [{ url: 'u', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }, { url: 'u' }],
      skills: [{ id: 's', name: 'n', description: 'd', tags: ['t'] }],
      securitySchemes: { 'my key': { scheme: { case: 'apiKeySecurityScheme', value: { name: 'x' } } } },
    });
    expect(fields(requiredFieldViolations(AgentCardSchema, card))).toEqual([
      'supportedInterfaces[1].protocolBinding',
      'supportedInterfaces[1].protocolVersion',
      'securitySchemes["my key"].apiKeySecurityScheme.location',
    ]);
    const event = create(StreamResponseSchema, {
      payload: { case: 'statusUpdate', value: { taskId: 't', contextId: 'c' } },
    });
    expect(fields(requiredFieldViolations(StreamResponseSchema, event))).toEqual(['statusUpdate.status']);
  });

  it('lets a required map be empty', () => {
    const card = decodeJson(AgentCardSchema, {
      securitySchemes: { o: { oauth2SecurityScheme: { flows: { clientCredentials: { tokenUrl: 'u' } } } } },
    });
    expect(
      fields(requiredFieldViolations(AgentCardSchema, card)).filter((field) => field.startsWith('securitySchemes')),
    ).toEqual([]);
  });

  it('refuses enum numbers that the protocol does not know, required or not', () => {
    const request = create(ListTasksRequestSchema, { status: 2_000_000_000 as TaskState });
    expect(requiredFieldViolations(ListTasksRequestSchema, request)).toEqual([
      { field: 'status', description: 'is not a value of TaskState' },
    ]);
  });

  it('lists no more violations than an answer should carry', () => {
    const card = create(AgentCardSchema, { skills: Array.from({ length: 10_000 }, () => ({})) });
    expect(requiredFieldViolations(AgentCardSchema, card)).toHaveLength(MAX_VIOLATIONS);
  });
});
