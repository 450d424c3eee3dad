import { describe, expect, it } from 'vitest';
import { A2AError, GetTaskRequestSchema, ListTasksRequestSchema } from '#protocol';
import { queryJson } from './query-json.js';

const list = (query: string) => queryJson(ListTasksRequestSchema, query);

describe('queryJson', () => {
  it.each([
    ['', {}],
    ['&&=&=x', {}],
    ['contextId=c', { contextId: 'c' }],
    ['context_id=c', { contextId: 'c' }],
    ['context%49d=c', { contextId: 'c' }],
    ['contextId=a%20b+c%2Bd%26e=f', { contextId: 'a b c+d&e=f' }],
    ['contextId=%C3%BC', { contextId: 'ü' }],
    ['contextId', { contextId: '' }],
    ['pageSize=50&pageToken=p', { pageSize: '50', pageToken: 'p' }],
    ['includeArtifacts=true', { includeArtifacts: true }],
    ['include_artifacts=false', { includeArtifacts: false }],
    ['includeArtifacts=yes', { includeArtifacts: 'yes' }],
    ['status=TASK_STATE_WORKING', { status: 'TASK_STATE_WORKING' }],
    ['status=2', { status: 2 }],
    ['status=working', { status: 'working' }],
    ['statusTimestampAfter=2026-01-01T00:00:00Z', { statusTimestampAfter: '2026-01-01T00:00:00Z' }],
    ['lastUpdatedAfter=2026-01-01T00:00:00Z', { statusTimestampAfter: '2026-01-01T00:00:00Z' }],
    ['A2A-Version=1.0&unknown=1&unknown=2', {}],
    ['__proto__=x&constructor=y&toString=z&%FF=w', {}],
  ])('reads %j', (query, json) => {
    expect(list(query)).toEqual(json);
  });

  it('reads only fields of the message', () => {
    expect(queryJson(GetTaskRequestSchema, 'historyLength=3&contextId=c')).toEqual({ historyLength: '3' });
  });

  it.each([
    ['contextId=a&contextId=a', 'contextId', 'is given twice'],
    ['pageSize=1&page_size=2', 'pageSize', 'is given twice'],
    ['lastUpdatedAfter=x&statusTimestampAfter=y', 'statusTimestampAfter', 'is given twice'],
    ['contextId=%FF', 'contextId', 'is not percent-encoded UTF-8'],
    ['contextId=%', 'contextId', 'is not percent-encoded UTF-8'],
    ['contextId=%C0%AF', 'contextId', 'is not percent-encoded UTF-8'],
  ])('refuses %j', (query, field, description) => {
    let thrown: unknown;
    try {
      list(query);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(A2AError);
    expect(thrown).toMatchObject({ reason: 'INVALID_PARAMS', violations: [{ field, description }] });
  });
});
