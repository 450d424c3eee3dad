import { describe, expect, it } from 'vitest';
import { violationsOf } from './checks.js';
import { type ChaosHistory, type ViolationKind } from './history.js';
import { type Mutable, soundHistory, TASK } from './sound-history.js';

type History = Mutable<ChaosHistory>;

const OTHER = '00000000-0000-4000-8000-000000000002';

/** What is done to the sound history, and what is found then: the kind, and words of the fact. */
const SPOILED: readonly [what: string, spoil: (history: History) => void, kind: ViolationKind, fact: string][] = [
  [
    'an accepted task is not in the database',
    ({ database }) => void (database.tasks = []),
    'lost',
    'not in the database',
  ],
  ['a message is never answered', ({ client }) => void (client.sends[0]!.tasks = []), 'unanswered', 'was never taken'],
  ['a task has not ended', ({ database }) => void (database.tasks[0]!.state = 2), 'unfinished', 'courier'],
  [
    'a task ends in another state',
    ({ database }) => void (database.tasks[0]!.state = 4),
    'wrong end',
    'stored as TASK_STATE_FAILED',
  ],
  [
    'a task ends in other words',
    ({ client }) => void (client.answers[1]!.words = 'else'),
    'wrong end',
    'told with the words',
  ],
  [
    'a chunk of an artifact stands twice',
    ({ client }) => void (client.answers[1]!.artifacts = { log: '1;1;' }),
    'wrong end',
    'told with [["log","1;1;"]]',
  ],
  [
    'an artifact is not in the log of events',
    ({ database }) =>
      void (database.events[2]!.event = JSON.stringify({ statusUpdate: { status: { state: 'TASK_STATE_WORKING' } } })),
    'wrong end',
    'stored with []',
  ],
  [
    'a follow-up that was taken is not worked on',
    ({ client }) => {
      const followUp = { journey: 'f', log: 'log-2', acts: [{ do: 'chunk' as const, text: 'again', ms: 0 }] };
      client.sends[0]!.plan = { ...client.sends[0]!.plan, followUp };
      client.sends.push({ key: 'key-2', to: TASK, plan: followUp, tasks: [TASK], isTooLate: false });
    },
    'wrong end',
    'log-2',
  ],
  [
    'a call fails for good',
    ({ client }) => void client.refusals.push({ call: 'GetTask', task: TASK, error: 'Task not found' }),
    'refused',
    'Task not found',
  ],
  [
    'a key is answered with two tasks',
    ({ client }) => void client.sends[0]!.tasks.push(OTHER),
    'two tasks under a key',
    'was answered with',
  ],
  [
    'a message stands in two tasks',
    ({ database }) => void database.inputs.push({ task: OTHER, messageId: 'key-1' }),
    'two tasks under a key',
    'stands in',
  ],
  [
    'a message stands in a task twice',
    ({ database }) => void database.inputs.push({ task: TASK, messageId: 'key-1' }),
    'two tasks under a key',
    'stands in',
  ],
  [
    'a refused message is there all the same',
    ({ client }) => void Object.assign(client.sends[0]!, { to: TASK, tasks: [], isTooLate: true }),
    'two tasks under a key',
    'was refused and is there',
  ],
  [
    'an end is followed by another one in the database',
    ({ database }) => void database.tampering.push({ task: TASK, what: 'state 3 became 4' }),
    'end changed',
    'state 3 became 4',
  ],
  [
    'a client is told of another state after the end',
    ({ client }) => void client.answers.push({ task: TASK, state: 'TASK_STATE_WORKING' }),
    'end changed',
    'and later as TASK_STATE_WORKING',
  ],
  [
    'an event follows the end in the log',
    ({ database }) => {
      database.events.push({ ...database.events[3]!, sequence: 6 });
      database.tasks[0]!.lastSequence = 6;
    },
    'end changed',
    'event 6 follows the end',
  ],
  [
    'an event is missing in the log',
    ({ database }) => void database.events.splice(2, 1),
    'gap',
    'the log has 4 events',
  ],
  [
    'the row counts more events than there are',
    ({ database }) => void (database.tasks[0]!.lastSequence = 6),
    'gap',
    'the row counts 6',
  ],
  [
    'a reader misses an event in a stream',
    ({ client }) => void client.subscriptions[0]!.streams[1]!.events.splice(1, 1),
    'gap',
    '5 stands where 4 belongs',
  ],
  [
    'a reader misses an event between two streams',
    ({ client }) => void client.subscriptions[0]!.streams[1]!.events.shift(),
    'gap',
    '4 stands where 3 belongs',
  ],
  [
    'a reader reads an event twice',
    ({ client }) => {
      const { events } = client.subscriptions[0]!.streams[1]!;
      events.splice(1, 0, events[0]!);
    },
    'gap',
    '3 stands where 4 belongs',
  ],
  [
    'a reader reads two events in the wrong order',
    ({ client }) => void client.subscriptions[0]!.streams[1]!.events.reverse(),
    'gap',
    '5 stands where 3 belongs',
  ],
  [
    'a reader is told something else than the log says',
    ({ client }) => void (client.subscriptions[0]!.streams[1]!.events[1]!.says = 'status TASK_STATE_WORKING step 3'),
    'gap',
    'the log has',
  ],
  [
    'a step has two records',
    ({ database }) => void database.records.push({ ...database.records[0]!, position: 3 }),
    'doubled',
    'has 2 records',
  ],
  [
    'a record is of no effect',
    ({ database }) => void (database.records[1]!.value = '"effect-9"'),
    'doubled',
    'of no effect',
  ],
  [
    'a run got another result than the record',
    ({ handler }) => void (handler[5]!.effect = 'effect-2'),
    'doubled',
    'the record is "effect-1"',
  ],
  [
    'a run does a step twice',
    ({ handler }) => void handler.push({ ...handler[6]!, effect: 'effect-4' }),
    'doubled',
    'did the step "step 2" twice',
  ],
  [
    'a run does a step that was recorded before it began',
    ({ handler }) => void handler.push({ ...handler[6]!, step: 'step 1', effect: 'effect-4' }),
    'doubled',
    'which was recorded before',
  ],
  [
    'a process writes under a lease that another one has claimed',
    ({ database }) => void (database.leases[2]!.sequence = 2),
    'stale write',
    'event 3 is of process 11; token 2 was host/22/b',
  ],
  [
    'a run writes after its lease was taken away',
    ({ database }) => void database.leases.splice(2, 1, { task: TASK, token: 2, owner: null, sequence: 1, at: 5_000 }),
    'stale write',
    "token 2 was nobody's",
  ],
  [
    'a run writes after its successor in the same process',
    ({ database, handler }) => {
      database.leases[2]!.owner = 'host/11/a';
      for (const note of handler) note.pid = 11;
      database.events[4]!.event = database.events[4]!.event.replace('run-2', 'run-1');
    },
    'stale write',
    'after one of its successor',
  ],
  ['a run writes that nobody began', ({ handler }) => void handler.splice(4, 1), 'stale write', 'which nobody began'],
  [
    'a killed process is not replaced in time',
    ({ database }) => void (database.leases[2]!.at = 13_000),
    'slow recovery',
    '11000 ms',
  ],
  [
    'a webhook is never told of an event',
    ({ webhooks }) => void webhooks.arrivals.splice(7, 1),
    'webhook lost',
    'event 5 of 5 was never acknowledged',
  ],
  [
    'a webhook is told of an event, and never says that it has it',
    ({ webhooks }) => void (webhooks.arrivals[7]!.acknowledged = undefined),
    'webhook lost',
    'event 5 of 5',
  ],
  ['a webhook is forgotten', ({ database }) => void database.hooks.shift(), 'webhook lost', 'is not there'],
  [
    'a task does not know of its webhook',
    ({ database }) => void (database.hooks[0]!.after = null),
    'webhook lost',
    'is not there',
  ],
  [
    'a webhook is deleted that nobody wanted to delete',
    ({ database }) => void (database.hooks[0]!.isDropped = true),
    'webhook lost',
    'is not there',
  ],
  [
    'two events come to a webhook in the wrong order',
    ({ webhooks }) => void webhooks.arrivals.push(...webhooks.arrivals.splice(4, 1)),
    'webhook disorder',
    'event 4 came after event 2',
  ],
  [
    'an event comes to a webhook before it has acknowledged the one before',
    ({ webhooks }) => void (webhooks.arrivals[2]!.acknowledged = 5),
    'webhook disorder',
    'event 3 came before event 2 was acknowledged',
  ],
  [
    'a webhook is told of what was before it',
    ({ webhooks }) => {
      webhooks.arrivals[3]!.id = webhooks.arrivals[3]!.id.replace(/2$/, '1');
    },
    'webhook disorder',
    'event 1 is from before the webhook',
  ],
  [
    'an event comes to a webhook again under another id',
    ({ webhooks }) => {
      webhooks.arrivals[2]!.id = webhooks.arrivals[3]!.id;
    },
    'webhook changed',
    'is not of',
  ],
  [
    'an event comes to a webhook again with other bytes',
    ({ webhooks }) => void (webhooks.arrivals[2]!.body += ' '),
    'webhook changed',
    'came with other bytes',
  ],
  [
    'a webhook is told something else than the log says',
    ({ webhooks }) => void (webhooks.arrivals[4]!.body = webhooks.arrivals[3]!.body),
    'webhook changed',
    'the log has',
  ],
  [
    'a webhook of 0.3 is told of another state',
    ({ webhooks }) =>
      void (webhooks.arrivals[4]!.body = JSON.stringify({ kind: 'task', id: TASK, status: { state: 'completed' } })),
    'webhook changed',
    'TASK_STATE_COMPLETED',
  ],
  [
    'a delivery is not signed with the secret of its webhook',
    ({ webhooks }) => void (webhooks.arrivals[2]!.timestamp = '1700000001'),
    'webhook forged',
    'is not signed with its secret',
  ],
  [
    'a delivery has the token of another webhook',
    ({ webhooks }) => void (webhooks.arrivals[2]!.token = 'hook-2'),
    'webhook forged',
    'has the token "hook-2"',
  ],
  [
    'a request goes to another address',
    ({ webhooks }) => void (webhooks.arrivals[2]!.hook = 'elsewhere'),
    'webhook forged',
    "which is nobody's",
  ],
  [
    'a webhook is told of something after it was deleted',
    ({ webhooks }) => void (webhooks.hooks[1]!.goneAfter = 5),
    'webhook after its end',
    'came after the answer to the deletion',
  ],
];

describe('the checks', () => {
  it('find nothing in a history in which a task is taken over as it should be', () => {
    expect(violationsOf(soundHistory())).toEqual([]);
  });

  it.each(SPOILED)('find it where %s', (_, spoil, kind, fact) => {
    const history = soundHistory();
    spoil(history);
    expect(violationsOf(history)).toContainEqual(
      expect.objectContaining({ kind, fact: expect.stringContaining(fact) }),
    );
  });

  it('do not count the time in which no worker could have taken a run over', () => {
    const history = soundHistory();
    history.database.leases[2]!.at = 13_000;
    history.standstills = [{ from: 4_000, to: 6_000 }];
    expect(violationsOf(history)).toEqual([]);
  });
});
