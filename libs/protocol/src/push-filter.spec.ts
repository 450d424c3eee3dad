import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { StreamResponseSchema, TaskState } from './gen/lf/a2a/v1/a2a_pb.js';
import { parsePushFilter, passesFilter } from './push-filter.js';

const { WORKING, COMPLETED, INPUT_REQUIRED } = TaskState;

describe(parsePushFilter, () => {
  it.each([
    ['states=completed,failed; artifacts=false', { states: ['completed', 'failed'], artifacts: false }],
    [
      ' artifacts = true ;states= input-required , auth-required',
      { artifacts: true, states: ['input-required', 'auth-required'] },
    ],
    ['states=working,working', { states: ['working'] }],
    ['artifacts=false', { artifacts: false }],
  ])('reads %s', (text, filter) => expect(parsePushFilter(text)).toEqual(filter));

  it.each([
    '',
    ';',
    'states',
    'states=',
    'states=done',
    'states=COMPLETED',
    'states=completed,',
    'states=completed=failed',
    'states=constructor',
    'artifacts=no',
    'artifacts=',
    'artifacts=true;',
    'artifacts=true; artifacts=true',
    'artifacts=true, states=completed',
    'messages=true',
    '__proto__=true',
    'toString=true',
  ])('refuses %j by the name of the header', (text) => {
    expect(() => parsePushFilter(text)).toThrow(
      expect.objectContaining({
        reason: 'INVALID_PARAMS',
        violations: [expect.objectContaining({ field: 'Push-Filter' })],
      }),
    );
  });
});

describe(passesFilter, () => {
  const task = (state: TaskState) =>
    create(StreamResponseSchema, { payload: { case: 'task', value: { status: { state } } } });
  const status = (state: TaskState) =>
    create(StreamResponseSchema, { payload: { case: 'statusUpdate', value: { status: { state } } } });
  const artifact = create(StreamResponseSchema, { payload: { case: 'artifactUpdate', value: {} } });

  it('holds nothing back that it does not name', () => {
    for (const event of [task(WORKING), status(COMPLETED), artifact]) expect(passesFilter({}, event)).toBe(true);
    expect(passesFilter({ states: ['completed'] }, artifact)).toBe(true);
    expect(passesFilter({ artifacts: false }, status(WORKING))).toBe(true);
  });

  it('lets through the states it names, of a task as of a status', () => {
    const filter = parsePushFilter('states=completed,input-required');
    for (const event of [status(COMPLETED), task(COMPLETED), status(INPUT_REQUIRED)]) {
      expect(passesFilter(filter, event)).toBe(true);
    }
    for (const event of [status(WORKING), task(WORKING), task(TaskState.UNSPECIFIED)]) {
      expect(passesFilter(filter, event)).toBe(false);
    }
  });

  it('holds artifacts back where it says so', () => {
    expect(passesFilter({ artifacts: false }, artifact)).toBe(false);
    expect(passesFilter({ artifacts: true }, artifact)).toBe(true);
  });
});
