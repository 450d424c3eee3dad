import { fromJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { TaskSchema } from '#protocol';
import { compatWebhookBody } from './webhook-body.js';

const timestamp = '2026-01-02T03:04:05.678Z';
const task = fromJson(TaskSchema, {
  id: 't-1',
  contextId: 'c',
  status: { state: 'TASK_STATE_AUTH_REQUIRED', timestamp },
  artifacts: [{ artifactId: 'a', parts: [{ text: 'Hi' }] }],
});

describe(compatWebhookBody, () => {
  it('is the task as 0.3 has it', () => {
    expect(compatWebhookBody('0.3', task)).toEqual({
      kind: 'task',
      id: 't-1',
      contextId: 'c',
      status: { state: 'auth-required', timestamp },
      artifacts: [{ artifactId: 'a', parts: [{ kind: 'text', text: 'Hi' }] }],
    });
  });

  it('is the task as the first dialect has it, under the id of its client', () => {
    const body = {
      sessionId: 'c',
      status: { state: 'input-required', timestamp },
      artifacts: [{ parts: [{ type: 'text', text: 'Hi' }], index: 0 }],
    };
    expect(compatWebhookBody('first', task, 'mine')).toEqual({ id: 'mine', ...body });
    expect(compatWebhookBody('first', task)).toEqual({ id: 't-1', ...body });
  });
});
