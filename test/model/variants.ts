import { SETTLES } from './laws.js';
import { type Rules } from './rules.js';
import { CALM } from './settings.js';
import { type Setting } from './state.js';

/** A protocol that gives up one rule, and the law that it breaks for it. */
export interface Variant {
  readonly name: string;
  readonly without: keyof Rules;
  readonly breaks: string;
  /** Steps of the shortest way there. */
  readonly steps: number;
  readonly setting: Setting;
}

function variant(name: string, without: keyof Rules, breaks: string, steps: number, over: Partial<Setting>): Variant {
  return { name, without, breaks, steps, setting: { ...CALM, ...over } };
}

const ONE_WRITER = 'one writer at a time';
const UNSEEN = 'no turn asks or completes while a message is unseen';
const RELEASED = 'what has ended or waits for its client holds no lease';
const HAS_JOB = 'what is due and held by nobody has a job, unless the queue lost one';
const SAME_TASK = 'a repeated call gives the same task';

export const VARIANTS: readonly Variant[] = [
  variant('a run writes without its token', 'writesNameToken', ONE_WRITER, 7, { stall: 1, script: ['step'] }),
  variant('a claim leaves the token as it is', 'claimRaisesToken', ONE_WRITER, 7, { stall: 1, script: ['step'] }),
  variant('a cancel leaves the token as it is', 'cancelRaisesToken', ONE_WRITER, 11, { cancel: 1, messages: 2 }),
  variant('a hand-back leaves the token as it is', 'handBackRaisesToken', ONE_WRITER, 8, { drain: 1 }),
  variant('an interrupt leaves the token as it is', 'interruptRaisesToken', ONE_WRITER, 9, {
    messages: 2,
    followUps: 'interrupt',
  }),
  variant('the next turn begins under any token', 'nextTurnNamesToken', ONE_WRITER, 12, { stall: 1, messages: 2 }),
  variant('a renewal is for whoever asks', 'renewalNamesToken', ONE_WRITER, 6, { stall: 1 }),
  variant('a write does not say what it follows', 'writesNameSequence', 'events are numbered without gaps', 7, {
    refusal: 1,
    script: ['status'],
  }),
  variant('completing does not count the messages', 'completingNamesInputs', UNSEEN, 7, { messages: 2 }),
  variant('asking does not count the messages', 'askingNamesInputs', UNSEEN, 7, { messages: 2, script: ['ask'] }),
  variant('a settlement keeps the lease', 'settlingReleases', RELEASED, 5, {}),
  variant('a claim takes what is not due', 'claimWantsDue', 'a holder that renews keeps its lease', 5, {
    eager: false,
    doubledJob: 1,
  }),
  variant(
    'an eager start has a lease without an end',
    'eagerLeaseEnds',
    'what goes on is due some time, or waits for a signal',
    2,
    {
      crash: 1,
    },
  ),
  variant('an eager start leaves the task due', 'eagerLeaseHolds', 'a holder that renews keeps its lease', 3, {}),
  variant('jobs are written after the change', 'jobsWithTheChange', HAS_JOB, 2, { eager: false, lostJob: 1 }),
  variant('a rest counts no signals', 'restingNamesSignals', 'nobody waits for a signal that is there', 6, {
    script: ['wait'],
    signal: 1,
  }),
  variant('a signal leaves the token as it is', 'signalRaisesToken', ONE_WRITER, 9, {
    script: ['wait'],
    signal: 1,
    doubt: 1,
  }),
  variant('a claim leaves the task listening', 'claimEndsListening', 'a signal ends no lease', 9, {
    script: ['waitInTime'],
    signal: 1,
  }),
  variant('nobody looks for orphans', 'reaperLooks', SETTLES, 3, { crash: 1 }),
  variant('nobody looks for lost jobs', 'reaperLooks', SETTLES, 4, { eager: false, lostJob: 1 }),
  variant('a commit in doubt is taken for done', 'doubtIsRead', 'an accepted message is committed', 4, { doubt: 1 }),
  variant('a key is looked up, and taken by nobody', 'keysAreUnique', 'a key stands for one task', 4, { repeat: 1 }),
  variant('the client is told before the commit', 'answersAfterCommit', 'an accepted message is committed', 2, {}),
  variant('a replay does not read the journal', 'replayReadsJournal', 'a recorded step is not done again', 9, {
    stall: 1,
    script: ['step'],
  }),
  variant('a drain hands nothing back', 'drainHandsBack', 'a drained process leaves no lease behind', 6, { drain: 1 }),
  variant(
    'a drain looks at the runs it knows of alone',
    'drainWaitsForSlots',
    'a drained process leaves no lease behind',
    6,
    { drain: 1 },
  ),
  variant('a follow-up is judged before its key is looked up', 'keyBeforeState', SAME_TASK, 14, {
    messages: 2,
    repeat: 1,
  }),
  variant(
    'a drain writes back the attempts it has read before',
    'drainKeepsAttempt',
    "attempts count the turn's own failures",
    18,
    { messages: 2, drain: 1, failure: 1 },
  ),
];
