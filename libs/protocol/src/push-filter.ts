import { A2AError } from './a2a-error.js';
import { type StreamResponse, TaskState } from './gen/lf/a2a/v1/a2a_pb.js';

/** Which events of its task a webhook is told of: those that nothing here speaks against. Plain JSON. */
export interface PushFilter {
  /** Of the events that say how the task stands (the task as a whole, status updates), those in these states alone. */
  readonly states?: readonly StateName[];
  /** False: no artifact updates. */
  readonly artifacts?: boolean;
}

/** A state of a task as the filter writes it. */
export type StateName = keyof typeof STATES;

const STATES = {
  submitted: TaskState.SUBMITTED,
  working: TaskState.WORKING,
  'input-required': TaskState.INPUT_REQUIRED,
  'auth-required': TaskState.AUTH_REQUIRED,
  completed: TaskState.COMPLETED,
  failed: TaskState.FAILED,
  canceled: TaskState.CANCELED,
  rejected: TaskState.REJECTED,
} as const satisfies Record<string, TaskState>;

const READERS: Readonly<Record<keyof PushFilter, (value: string) => PushFilter>> = {
  states: (value) => ({ states: statesIn(value) }),
  artifacts: (value) => ({ artifacts: flagIn(value) }),
};

const HEADER = 'Push-Filter';

/**
 * Reads `states=completed,failed; artifacts=false`: each of the two names at most once, in any order, with spaces around the
 * signs or without. Throws A2AError INVALID_PARAMS for anything else.
 */
export function parsePushFilter(text: string): PushFilter {
  let filter: PushFilter = {};
  for (const entry of text.split(';')) {
    const [name = '', value, ...more] = entry.split('=').map((word) => word.trim());
    if (value === undefined || more.length > 0 || !isName(name)) {
      throw unfit('must be like states=completed,failed; artifacts=false');
    }
    if (name in filter) throw unfit(`has ${name} twice`);
    filter = { ...filter, ...READERS[name](value) };
  }
  return filter;
}

/** Whether a webhook with this filter is told of the event. */
export function passesFilter({ states, artifacts = true }: PushFilter, { payload }: StreamResponse): boolean {
  switch (payload.case) {
    case 'artifactUpdate':
      return artifacts;
    case 'task':
    case 'statusUpdate':
      return !states || states.some((name) => STATES[name] === payload.value.status?.state);
    default:
      return true;
  }
}

function isName(name: string): name is keyof PushFilter {
  return Object.hasOwn(READERS, name);
}

function statesIn(value: string): StateName[] {
  const names = value.split(',').map((name) => name.trim());
  if (names.every(isState)) return [...new Set(names)];
  throw unfit(`must have states out of ${Object.keys(STATES).join(', ')}`);
}

function isState(name: string): name is StateName {
  return Object.hasOwn(STATES, name);
}

function flagIn(value: string): boolean {
  if (value !== 'true' && value !== 'false') throw unfit('must have artifacts=true or artifacts=false');
  return value === 'true';
}

function unfit(fact: string): A2AError {
  return A2AError.invalidParams(HEADER, fact);
}
