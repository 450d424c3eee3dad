import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  GetTaskRequestSchema,
  ListTasksRequestSchema,
  ListTasksResponseSchema,
  TaskSchema,
  TaskState,
  toJsonObject,
} from '#protocol';
import { HttpJsonClient } from '../support/http-json.js';
import { type ScriptedServer, startScriptedServer } from '../support/scripted-server.js';

let server: ScriptedServer;
let client: HttpJsonClient;
let asked: object | undefined;

beforeAll(async () => {
  server = await startScriptedServer();
  client = new HttpJsonClient(server.url);
  server.script.listTasks = async (request) => {
    asked = toJsonObject(ListTasksRequestSchema, request);
    return create(ListTasksResponseSchema);
  };
  server.script.getTask = async (request) => {
    asked = toJsonObject(GetTaskRequestSchema, request);
    return create(TaskSchema, { id: request.id, status: { state: TaskState.WORKING } });
  };
});
afterAll(() => server.close());
beforeEach(() => {
  asked = undefined;
});

describe('the query of a list', () => {
  it.each([
    ['', {}],
    ['?', {}],
    ['?contextId=c-1', { contextId: 'c-1' }],
    ['?context_id=c-1', { contextId: 'c-1' }],
    ['?contextId=a%20b%26c+d', { contextId: 'a b&c d' }],
    ['?contextId=', {}],
    ['?status=TASK_STATE_WORKING', { status: 'TASK_STATE_WORKING' }],
    ['?status=2', { status: 'TASK_STATE_WORKING' }],
    ['?pageSize=10&pageToken=next', { pageSize: 10, pageToken: 'next' }],
    ['?page_size=10&page_token=next', { pageSize: 10, pageToken: 'next' }],
    ['?historyLength=0', { historyLength: 0 }],
    ['?historyLength=-1', { historyLength: -1 }],
    ['?includeArtifacts=true', { includeArtifacts: true }],
    ['?include_artifacts=false', { includeArtifacts: false }],
    ['?statusTimestampAfter=2026-01-02T03:04:05Z', { statusTimestampAfter: '2026-01-02T03:04:05.000Z' }],
    ['?status_timestamp_after=2026-01-02T03:04:05.678%2B01:00', { statusTimestampAfter: '2026-01-02T02:04:05.678Z' }],
    ['?lastUpdatedAfter=2026-01-02T03:04:05Z', { statusTimestampAfter: '2026-01-02T03:04:05.000Z' }],
    ['?unknown=1&unknown=2&configuration.x=y&__proto__[a]=b&__proto__=c', {}],
    ['?A2A-Version=1.0&utm_source=%ff', {}],
  ])('%s is read', async (query, expected) => {
    expect((await client.request('GET', `/tasks${query}`)).status).toBe(200);
    expect(asked).toEqual(expected);
  });

  it.each([
    ['pageSize=ten', 'pageSize', 'must be a 32-bit integer'],
    ['pageSize=', 'pageSize', 'must be a 32-bit integer'],
    ['pageSize=1.5', 'pageSize', 'must be a 32-bit integer'],
    ['pageSize=99999999999', 'pageSize', 'must be a 32-bit integer'],
    ['page_size=1&pageSize=1', 'pageSize', 'is given twice'],
    ['pageSize=1&pageSize=2', 'pageSize', 'is given twice'],
    ['historyLength=1e', 'historyLength', 'must be a 32-bit integer'],
    ['includeArtifacts=yes', 'includeArtifacts', 'must be true or false'],
    ['includeArtifacts', 'includeArtifacts', 'must be true or false'],
    ['status=working', 'status', 'must be one of TASK_STATE_SUBMITTED, TASK_STATE_WORKING'],
    ['status=99', 'status', 'is not a value of TaskState'],
    ['status=TASK_STATE_WORKING&status=TASK_STATE_FAILED', 'status', 'is given twice'],
    ['statusTimestampAfter=yesterday', 'statusTimestampAfter', 'must be a timestamp'],
    ['statusTimestampAfter=1767225600', 'statusTimestampAfter', 'must be a timestamp'],
    ['lastUpdatedAfter=yesterday', 'statusTimestampAfter', 'must be a timestamp'],
    ['contextId=%ff', 'contextId', 'is not percent-encoded UTF-8'],
    ['contextId=a%00', 'contextId', 'contains the character U+0000'],
    ['tenant=a%20b', 'tenant', 'must be [tenant][/agent]'],
  ])('%s is refused for its %s', async (query, field, fact) => {
    const { status, json } = await client.request('GET', `/tasks?${query}`);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
    const [violation] = json.error.details[0].fieldViolations;
    expect(violation.field).toBe(field);
    expect(violation.description).toContain(fact);
    expect(asked).toBeUndefined();
  });

  it('may have a thousand unknown parameters', async () => {
    const query = Array.from({ length: 1_000 }, (_, index) => `p${index}=x`).join('&');
    expect((await client.request('GET', `/tasks?${query}&pageSize=3`)).status).toBe(200);
    expect(asked).toEqual({ pageSize: 3 });
  });
});

describe('the query of a task', () => {
  it('has the length of its history', async () => {
    expect((await client.request('GET', '/agents/other/acme/tasks/t-1?historyLength=2')).status).toBe(200);
    expect(asked).toEqual({ id: 't-1', historyLength: 2 });
  });
});
