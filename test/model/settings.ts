import { type Setting } from './state.js';

/** One client, one message, two processes with room for one run each, and nothing goes wrong. */
export const CALM: Setting = {
  ...{ workers: 2, slots: 1, eager: true, clients: 1, messages: 1, followUps: 'queue', script: [], onCancel: false },
  ...{ crash: 0, stall: 0, lostJob: 0, doubledJob: 0, cancel: 0, deadline: 0 },
  ...{ failure: 0, drain: 0, doubt: 0, refusal: 0, signal: 0, repeat: 0 },
};

/** Constellations in which the protocol keeps every law. Together they take every action. */
export const SETTINGS: Readonly<Record<string, Partial<Setting>>> = {
  'a queue that loses and doubles jobs': { eager: false, script: ['step'], crash: 1, lostJob: 1, doubledJob: 1 },
  'a cancel with a clean-up': { script: ['status', 'step'], onCancel: true, crash: 1, stall: 1, cancel: 1 },
  'a clean-up that fails': { script: ['step'], onCancel: true, failure: 2, cancel: 1 },
  'a deadline': { script: ['step'], crash: 2, stall: 1, deadline: 1 },
  'a follow-up in the queue': { messages: 2, script: ['step'], crash: 1, stall: 1 },
  'a follow-up and a cancel': { messages: 2, crash: 1, stall: 1, cancel: 1 },
  'a follow-up that interrupts': { messages: 2, followUps: 'interrupt', script: ['step'], crash: 1 },
  'a follow-up that is refused': { messages: 2, followUps: 'reject', script: ['ask'], crash: 1, repeat: 1 },
  'a question': { messages: 2, script: ['step', 'ask'], crash: 1, stall: 1 },
  'three messages': { messages: 3, script: ['ask'], crash: 1 },
  'a sleep': { script: ['step', 'sleep'], crash: 1, stall: 1, cancel: 1 },
  'a signal': { script: ['step', 'wait'], signal: 1, crash: 1, stall: 1, cancel: 1 },
  'signals for two waits': { script: ['wait', 'step', 'wait'], signal: 3, crash: 1 },
  'a signal and a time': { script: ['waitInTime'], signal: 2, failure: 1, crash: 1 },
  'a signal and an interrupt': { messages: 2, followUps: 'interrupt', script: ['wait'], signal: 1 },
  'a signal while a commit is in doubt': { script: ['wait', 'step'], signal: 2, doubt: 1 },
  'a call that is repeated': { messages: 2, crash: 1, repeat: 1 },
  'commits in doubt, and one refused': { script: ['status', 'step'], stall: 1, doubt: 1, refusal: 1 },
  'a drain': { eager: false, script: ['step'], lostJob: 1, drain: 1 },
  'a drain between two turns': { messages: 2, failure: 1, drain: 1 },
  'two runs in one process': { workers: 1, slots: 2, messages: 2, script: ['step'], stall: 1 },
  'two tasks': { clients: 2, crash: 1 },
};
