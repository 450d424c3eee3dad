import { describe, expect, it } from 'vitest';
import { A2AError } from '#protocol';
import { readNotice } from './callback-notice.js';

const status = (state: string) => ({ state });

describe('a callback', () => {
  it.each<[string, object, boolean]>([
    ['a task that works', { task: { id: 't1', status: status('TASK_STATE_WORKING') } }, false],
    ['a task that was accepted', { task: { id: 't1', status: status('TASK_STATE_SUBMITTED') } }, false],
    ['a task that has ended', { task: { id: 't1', status: status('TASK_STATE_COMPLETED') } }, true],
    ['a task without a status', { task: { id: 't1' } }, true],
    ['a question', { statusUpdate: { taskId: 't1', status: status('TASK_STATE_INPUT_REQUIRED') } }, true],
    ['progress', { statusUpdate: { taskId: 't1', status: status('TASK_STATE_WORKING') } }, false],
    ['a state of tomorrow', { statusUpdate: { taskId: 't1', status: status('TASK_STATE_DREAMING') } }, true],
    ['no state at all', { statusUpdate: { taskId: 't1', status: status('TASK_STATE_UNSPECIFIED') } }, true],
    ['a chunk', { artifactUpdate: { taskId: 't1', artifact: { artifactId: 'a', parts: [] } } }, false],
    ['a message', { message: { taskId: 't1', messageId: 'm1' } }, true],
    ['a task of 0.3', { kind: 'task', id: 't1', status: status('input-required') }, true],
    ['a task of 0.3 that works', { kind: 'task', id: 't1', status: status('working') }, false],
    ['an event of 0.3', { kind: 'status-update', taskId: 't1', status: status('failed') }, true],
    ['a chunk of 0.3', { kind: 'artifact-update', taskId: 't1' }, false],
  ])('with %s names the task, and says whether to look at it', (_, body, isNews) => {
    expect(readNotice(body)).toEqual({ taskId: 't1', isNews });
  });

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a list', [{ task: { id: 't1' } }]],
    ['a text', 'task'],
    ['another kind', { kind: 'toString', id: 't1', taskId: 't1' }],
    ['two events', { task: { id: 't1' }, message: { taskId: 't1' } }],
    ['a task that is a list', { task: [] }],
    ['a task without an id', { task: { status: status('TASK_STATE_COMPLETED') } }],
    ['an id that is no text', { statusUpdate: { taskId: 7 } }],
    ['a message without a task', { message: { messageId: 'm1' } }],
  ])('with %s is refused', (_, body) => {
    expect(() => readNotice(body)).toThrow(A2AError);
  });
});
