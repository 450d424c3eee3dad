import { describe, expect, it } from 'vitest';
import { TaskState } from './gen/lf/a2a/v1/a2a_pb.js';
import { isInterrupted, isSettled, isTerminal } from './task-state.js';

const { UNSPECIFIED, SUBMITTED, WORKING, COMPLETED, FAILED, CANCELED, INPUT_REQUIRED, REJECTED, AUTH_REQUIRED } =
  TaskState;

describe('task states', () => {
  it.each([
    [UNSPECIFIED, false, false],
    [SUBMITTED, false, false],
    [WORKING, false, false],
    [COMPLETED, true, false],
    [FAILED, true, false],
    [CANCELED, true, false],
    [REJECTED, true, false],
    [INPUT_REQUIRED, false, true],
    [AUTH_REQUIRED, false, true],
  ])(
    'tells of state %i whether it is terminal, interrupted, and settled when it is either',
    (state, terminal, interrupted) => {
      expect(isTerminal(state)).toBe(terminal);
      expect(isInterrupted(state)).toBe(interrupted);
      expect(isSettled(state)).toBe(terminal || interrupted);
    },
  );
});
