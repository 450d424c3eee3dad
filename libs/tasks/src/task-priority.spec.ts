import { expect, it } from 'vitest';
import { PRIORITY_EXTENSION } from '#agents';
import { refusePriority, taskPriority } from './task-priority.js';

const field = `metadata["${PRIORITY_EXTENSION.uri}"]`;

it.each([
  ['high', 0],
  ['normal', 1],
  ['low', 2],
  [undefined, undefined],
])('%j is the priority %j', (given, priority) => {
  expect(taskPriority(given === undefined ? { other: 'high' } : { [PRIORITY_EXTENSION.uri]: given })).toBe(priority);
});

it.each(['HIGH', '', 0, null, true, ['high'], { priority: 'high' }, 'toString'])('%j is none', (given) => {
  expect(() => taskPriority({ [PRIORITY_EXTENSION.uri]: given })).toThrow(
    expect.objectContaining({ violations: [{ field, description: 'must be low, normal or high' }] }),
  );
});

it('is not for a message to a task that is there', () => {
  expect(() => refusePriority(1)).toThrow(expect.objectContaining({ reason: 'INVALID_PARAMS' }));
  refusePriority(undefined);
});
