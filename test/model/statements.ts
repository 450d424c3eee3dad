import { type Rules } from './rules.js';
import { isTerminal, type Run, type State, type Task, type TaskState, type Write } from './state.js';

/** What each statement and transaction of libs/store does to the tables. All of it is done, or nothing. */

/** Notes that an action broke a law where the state alone would not show it. */
export function note(state: State, law: string): void {
  if (!state.broken.includes(law)) state.broken.push(law);
}

/** `createParts` of commit-statement.ts. False where the idempotency key is taken. */
export function insertTask(state: State, client: number, held: boolean, rules: Rules): boolean {
  if (rules.keysAreUnique && state.tasks.some((task) => task.client === client)) return false;
  state.tasks.push({
    ...{ client, state: held ? 'working' : 'submitted', sequence: held ? 2 : 1, inputs: 1, turn: 1, turnInput: 1 },
    ...{ signals: 0, taken: [], listens: false },
    ...{ token: held ? 1 : 0, owned: held && rules.eagerLeaseHolds, attempt: 0, records: [], keys: [0] },
    runAt: !held || !rules.eagerLeaseHolds ? 'past' : rules.eagerLeaseEnds ? 'later' : 'none',
    events: held ? [0, 0] : [0],
    ...{ outbox: held || !rules.jobsWithTheChange ? 0 : 1, queue: 0 },
    ...{ epoch: 1, stalled: false, failures: 0, seen: 0, cleanUp: 'none' },
  });
  return true;
}

/**
 * `appendParts` of commit-statement.ts: the merged writes of one run. refused: the fence did not hold; broken: a primary
 * key did not.
 */
export function append(state: State, run: Run, writes: readonly Write[], rules: Rules): 'done' | 'refused' | 'broken' {
  const task = state.tasks[run.task]!;
  const first = writes[0]!;
  const last = writes.at(-1)!;
  if (rules.writesNameToken && task.token !== run.token) return 'refused';
  if (rules.writesNameSequence && task.sequence !== first.base) return 'refused';
  if (last.inputs !== undefined && last.inputs !== task.inputs) return 'refused';
  if (last.signals !== undefined && last.signals !== task.signals) return 'refused';
  const numbers = writes.filter(({ events }) => events > 0).map(({ base }) => base + 1);
  const records = writes.filter(({ record }) => record !== undefined).map(({ record }) => `${run.turn}.${record}`);
  if (numbers.some((n) => task.events[n - 1] !== undefined)) return 'broken';
  if (records.some((record) => task.records.includes(record))) return 'broken';
  if (task.epoch !== run.epoch) note(state, 'one writer at a time');
  for (const n of numbers) addEvent(state, task, n, run.epoch);
  task.records.push(...records);
  task.records.sort();
  for (const { takes } of writes) if (takes !== undefined) task.taken.push(takes);
  task.taken.sort();
  task.sequence = last.base + last.events;
  const to = writes.findLast((write) => write.state)?.state;
  if (to) task.state = to;
  if (to === 'asks' || to === 'completed') task.seen = run.consumed;
  if (last.release && rules.settlingReleases) release(task);
  task.listens = last.listens ?? false;
  if (last.due) {
    task.runAt = 'later';
    if (rules.jobsWithTheChange) task.outbox++;
  }
  return 'done';
}

/** LeaseRepository#claim. False where there is nothing to claim. */
export function claim(state: State, task: Task, robs: boolean, rules: Rules): boolean {
  if (rules.claimWantsDue && task.runAt !== 'past') return false;
  if (robs && !task.stalled) note(state, 'a holder that renews keeps its lease');
  if (rules.claimRaisesToken) task.token++;
  if (rules.claimEndsListening) task.listens = false;
  pass(task);
  task.owned = true;
  task.runAt = 'later';
  return true;
}

/** LeaseRepository#renew. False where the lease is lost. */
export function renew(task: Task, token: number, rules: Rules): boolean {
  if (rules.renewalNamesToken && task.token !== token) return false;
  if (!task.owned) return false;
  task.runAt = 'later';
  task.stalled = false;
  return true;
}

/** LeaseRepository#handBack. */
export function handBack(task: Task, token: number, attempt: number, pause: boolean, rules: Rules): boolean {
  if (task.token !== token || !task.owned) return false;
  if (rules.handBackRaisesToken) task.token++;
  pass(task);
  task.owned = false;
  task.runAt = pause ? 'later' : 'past';
  task.attempt = attempt;
  if (rules.jobsWithTheChange) task.outbox++;
  return true;
}

/** LeaseRepository#finish. */
export function finish(task: Task, token: number): void {
  if (task.token === token) release(task);
}

/** TaskRepository#changeFromOutside, with the job of a clean-up. */
export function changeFromOutside(
  state: State,
  task: Task,
  to: TaskState,
  { runAfter }: { runAfter: boolean },
  rules: Rules,
): void {
  addEvent(state, task, task.sequence + 1, 0);
  task.state = to;
  task.sequence++;
  if (rules.cancelRaisesToken) task.token++;
  pass(task);
  task.owned = false;
  task.runAt = runAfter ? 'past' : 'none';
  task.listens = false;
  task.attempt = task.failures = 0;
  if (runAfter && rules.jobsWithTheChange) task.outbox++;
}

/** TurnRepository#takeInput, with the key, the message and the job of its transaction. */
export function takeInput(
  state: State,
  task: Task,
  message: number,
  change: { waiting: boolean; newTurn: boolean; held: boolean },
  rules: Rules,
): void {
  task.inputs++;
  task.keys.push(message);
  if (change.waiting) {
    addEvent(state, task, task.sequence + 1, 0);
    task.sequence++;
    task.state = 'working';
  }
  if (change.newTurn) {
    task.turn++;
    task.turnInput = task.inputs;
  }
  if (!change.waiting && !change.newTurn) return;
  task.attempt = task.failures = 0;
  if (!change.newTurn || rules.interruptRaisesToken) task.token++;
  pass(task);
  task.owned = change.held;
  task.listens = false;
  task.runAt = change.held ? 'later' : 'past';
  if (!change.held && rules.jobsWithTheChange) task.outbox++;
}

/** SignalRepository#add, with the job of its transaction. */
export function addSignal(state: State, task: Task, rules: Rules): void {
  task.signals++;
  if (!task.listens) return;
  if (task.owned) note(state, 'a signal ends no lease');
  task.listens = false;
  if (rules.signalRaisesToken) task.token++;
  pass(task);
  task.runAt = 'past';
  if (rules.jobsWithTheChange) task.outbox++;
}

/** TurnRepository#nextTurn, in the transaction of TaskJournal#nextTurn. False where the lease is lost. */
export function nextTurn(state: State, run: Run, rules: Rules): boolean {
  const task = state.tasks[run.task]!;
  if (rules.nextTurnNamesToken && task.token !== run.token) return false;
  if (task.epoch !== run.epoch) note(state, 'one writer at a time');
  task.turn++;
  task.turnInput = run.consumed + 1;
  task.attempt = task.failures = 0;
  return true;
}

function addEvent(state: State, task: Task, n: number, by: number): void {
  if (isTerminal(task.state)) note(state, 'an end is final');
  if (n !== task.events.length + 1) note(state, 'events are numbered without gaps');
  task.events[n - 1] = by;
}

function release(task: Task): void {
  task.owned = false;
  task.runAt = 'none';
}

/** The right to write passes on. */
function pass(task: Task): void {
  task.epoch++;
  task.stalled = false;
}
