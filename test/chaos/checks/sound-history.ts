import { Webhook } from 'standardwebhooks';
import { type Plan } from '../plan.js';
import { type Arrival, type ChaosHistory } from './history.js';

export const TASK = '00000000-0000-4000-8000-000000000001';

/**
 * A small history in which all is as it should be: a task of two steps, whose first worker (process 11) is killed in the middle
 * and whose second one (process 22) goes on, with a reader that moves from one stream to another, and two
 * webhooks: one that came with the message, and is told of the second event twice, and one that was made and deleted later.
 */
export function soundHistory(): Mutable<ChaosHistory> {
  const status = (sequence: number, text: string, run: string) => ({
    task: TASK,
    sequence,
    event: JSON.stringify(statusEvent(text, run)),
  });
  const end = { state: 'TASK_STATE_COMPLETED', message: { parts: [{ text: 'done', metadata: { run: 'run-2' } }] } };
  return {
    client: {
      sends: [{ key: 'key-1', plan: PLAN, tasks: [TASK], isTooLate: false }],
      answers: [
        { task: TASK, state: 'TASK_STATE_WORKING' },
        { task: TASK, state: 'TASK_STATE_COMPLETED', words: 'done', artifacts: { log: '1;' } },
      ],
      refusals: [],
      subscriptions: [
        {
          task: TASK,
          binding: 'JSONRPC',
          streams: [
            {
              events: [
                { sequence: 1, says: 'task' },
                { sequence: 2, says: 'status TASK_STATE_WORKING step 1' },
              ],
            },
            {
              after: 2,
              events: [
                { sequence: 3, says: 'artifact a begins and ends: 1;' },
                { sequence: 4, says: 'status TASK_STATE_WORKING step 2' },
                { sequence: 5, says: 'status TASK_STATE_COMPLETED done' },
              ],
            },
          ],
        },
      ],
    },
    handler: [
      { atMs: 1, pid: 11, kind: 'run', task: TASK, run: 'run-1' },
      { atMs: 2, pid: 11, kind: 'effect', task: TASK, run: 'run-1', step: 'step 1', effect: 'effect-1' },
      { atMs: 3, pid: 11, kind: 'recorded', task: TASK, run: 'run-1', step: 'step 1', effect: 'effect-1' },
      // Done, and not recorded: its process is killed.
      { atMs: 4, pid: 11, kind: 'effect', task: TASK, run: 'run-1', step: 'step 2', effect: 'effect-2' },
      { atMs: 5, pid: 22, kind: 'run', task: TASK, run: 'run-2' },
      { atMs: 6, pid: 22, kind: 'recorded', task: TASK, run: 'run-2', step: 'step 1', effect: 'effect-1' },
      { atMs: 7, pid: 22, kind: 'effect', task: TASK, run: 'run-2', step: 'step 2', effect: 'effect-3' },
      { atMs: 8, pid: 22, kind: 'recorded', task: TASK, run: 'run-2', step: 'step 2', effect: 'effect-3' },
    ],
    database: {
      tasks: [
        {
          id: TASK,
          agent: 'courier',
          state: 3,
          status: JSON.stringify(end),
          lastSequence: 5,
          lost: 1,
          attempt: 0,
          runAt: null,
          leaseOwner: null,
        },
      ],
      events: [
        { task: TASK, sequence: 1, event: JSON.stringify({ task: { id: TASK } }) },
        status(2, 'step 1', 'run-1'),
        { task: TASK, sequence: 3, event: JSON.stringify({ artifactUpdate: ARTIFACT }) },
        status(4, 'step 2', 'run-2'),
        { task: TASK, sequence: 5, event: JSON.stringify({ statusUpdate: { status: end } }) },
      ],
      records: [
        { task: TASK, turn: 1, branch: '', position: 1, kind: 'step', name: 'step 1', value: '"effect-1"' },
        { task: TASK, turn: 1, branch: '', position: 2, kind: 'step', name: 'step 2', value: '"effect-3"' },
      ],
      inputs: [{ task: TASK, messageId: 'key-1' }],
      leases: [
        { task: TASK, token: 0, owner: null, sequence: 0, at: 900 },
        { task: TASK, token: 1, owner: 'host/11/a', sequence: 1, at: 1_000 },
        { task: TASK, token: 2, owner: 'host/22/b', sequence: 3, at: 8_000 },
        { task: TASK, token: 2, owner: null, sequence: 4, at: 9_000 },
      ],
      hooks: [
        { uid: UID, id: 'hook-1', task: TASK, after: 0, isDropped: false },
        { uid: LATER_UID, id: 'hook-2', task: TASK, after: 1, isDropped: true },
      ],
      tampering: [],
    },
    kills: [{ at: 2_000, pid: 11, process: 'worker-1' }],
    standstills: [],
    webhooks: {
      hooks: [
        { id: 'hook-1', task: TASK, secret: SECRET, isDropped: false },
        { id: 'hook-2', task: TASK, isDropped: true, goneAfter: 7 },
      ],
      arrivals: [
        arrival('hook-1', `${UID}_1`, { task: { id: TASK } }, 1),
        arrival('hook-1', `${UID}_2`, statusEvent('step 1', 'run-1')),
        arrival('hook-1', `${UID}_2`, statusEvent('step 1', 'run-1'), 3),
        arrival('hook-2', `${LATER_UID}_2`, statusEvent('step 1', 'run-1'), 4),
        arrival('hook-1', `${UID}_3`, { artifactUpdate: ARTIFACT }, 5),
        // Its sender has died halfway.
        { ...arrival('hook-2', `${LATER_UID}_3`, {}), body: undefined },
        arrival('hook-1', `${UID}_4`, statusEvent('step 2', 'run-2'), 7),
        arrival('hook-1', `${UID}_5`, { statusUpdate: { status: end } }, 8),
      ],
    },
  };
}

function statusEvent(text: string, run: string) {
  return {
    statusUpdate: { status: { state: 'TASK_STATE_WORKING', message: { parts: [{ text, metadata: { run } }] } } },
  };
}

function arrival(hook: string, id: string, event: object, acknowledged?: number): Mutable<Arrival> {
  const body = JSON.stringify(event);
  const signature = new Webhook(SECRET).sign(id, new Date(SIGNED_S * 1_000), body);
  return { hook, id, timestamp: String(SIGNED_S), signature, token: hook, body, acknowledged };
}

const UID = '00000000-0000-4000-8000-00000000000a';
const LATER_UID = '00000000-0000-4000-8000-00000000000b';
const SECRET = 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz';
/** Seconds since 1970. */
const SIGNED_S = 1_700_000_000;

const PLAN: Mutable<Plan> = {
  journey: 'steps',
  log: 'log',
  acts: [
    { do: 'step', name: 'step 1', ms: 0 },
    { do: 'chunk', text: '1', ms: 0 },
    { do: 'step', name: 'step 2', ms: 0 },
  ],
};

const ARTIFACT = {
  append: false,
  lastChunk: true,
  artifact: { artifactId: 'a', name: 'log', parts: [{ text: '1;', metadata: { run: 'run-1' } }] },
};

/** The same, to be spoiled. */
export type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
