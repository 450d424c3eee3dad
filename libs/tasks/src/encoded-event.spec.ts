import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { jsonText, PartSchema, StreamResponseSchema, TaskState } from '#protocol';
import { encodeEvent } from './encoded-event.js';
import { agentMessage, artifactEvent, statusEvent, taskStatus } from './task-events.js';

const subject = { taskId: '01a1fe85-72b1-75b9-b7be-97292e6e775e', contextId: 'a "quoted" \\ context\n' };
const at = new Date('2026-01-01T00:00:00.000Z');
const part = create(PartSchema, { content: { case: 'text', value: 'Hello "you"' } });

describe(encodeEvent, () => {
  it('writes a status update exactly as ProtoJSON does', () => {
    const status = taskStatus(TaskState.WORKING, at, agentMessage(subject, [part]));
    const response = statusEvent(subject, status);
    const encoded = encodeEvent(response);
    expect(encoded.text).toBe(jsonText(StreamResponseSchema, response));
    expect(fromJson(StreamResponseSchema, JSON.parse(encoded.text) as JsonValue)).toEqual(response);
    expect(encoded.status?.state).toBe(TaskState.WORKING);
    expect(encoded.at).toEqual(at);
  });

  it('keeps the metadata of a status update', () => {
    const response = statusEvent(subject, taskStatus(TaskState.WORKING, at));
    if (response.payload.case === 'statusUpdate') response.payload.value.metadata = { reason: 'test' };
    expect(encodeEvent(response).text).toBe(jsonText(StreamResponseSchema, response));
  });

  it('leads to no status where the event has none', () => {
    const artifact = {
      $typeName: 'lf.a2a.v1.Artifact' as const,
      artifactId: 'a',
      name: '',
      description: '',
      parts: [part],
      extensions: [],
    };
    expect(encodeEvent(artifactEvent(subject, artifact, { append: false, lastChunk: true })).status).toBeUndefined();
  });
});
