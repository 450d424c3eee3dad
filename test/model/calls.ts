import { type Action, each, freeSlots, type Move, move } from './action.js';
import { addSignal, changeFromOutside, insertTask, note, takeInput } from './statements.js';
import { type Rules } from './rules.js';
import { type Call, isTerminal, type Setting, type State, type Worker } from './state.js';
import { newRun } from './runs.js';

/** What clients do, and the process that answers them. */
export const CALL_ACTIONS = {
  'a call comes': {
    code: 'libs/tasks/src/task-submission.ts#submit',
    by: 'client',
    moves: (state, setting) =>
      each(state.calls, (made, client) =>
        each(made, (count, message) =>
          mayCall(state, client, message, count)
            ? each(state.workers, (worker, w) =>
                worker.drain === 'no'
                  ? [move(`message ${message + 1}`, (s) => takeCall(s, w, client, message, setting))]
                  : [],
              )
            : [],
        ),
      ),
  },
  'a task is created': {
    code: 'libs/tasks/src/task-journal.ts#create',
    by: 'system',
    moves: (state, _, rules) => eachCall(state, 'checked', 'first', (call) => (s) => createTask(s, call(s), rules)),
  },
  'the commit of a new task is in doubt': {
    code: 'libs/store/src/group-committer.ts#settleUnknown',
    by: 'world',
    moves: (state, _, rules) =>
      state.left.doubt === 0
        ? []
        : [true, false].flatMap((committed) =>
            eachCall(state, 'checked', 'first', (call) => (s) => {
              s.left.doubt--;
              if (committed) createTask(s, call(s), rules);
              call(s).phase = 'doubt';
            }),
          ),
  },
  'a new task is read back': {
    code: 'libs/store/src/write-outcome.ts#isCommitted',
    by: 'system',
    moves: (state, _, { doubtIsRead }) =>
      eachCall(state, 'doubt', 'first', (call) => (s) => {
        const { task } = call(s);
        call(s).phase = task >= 0 || !doubtIsRead ? 'committed' : 'checked';
        if (task < 0 && !doubtIsRead) call(s).task = s.tasks.length;
      }),
  },
  'a follow-up is taken in': {
    code: 'libs/tasks/src/task-journal.ts#acceptInput',
    by: 'system',
    moves: (state, setting, rules) =>
      eachCall(state, 'checked', 'later', (call) => (s) => acceptInput(s, call(s), setting, rules)),
  },
  'a call is answered': {
    code: 'libs/tasks/src/task-submission.ts#accept',
    by: 'system',
    moves: (state, _, rules) => [
      ...eachCall(state, 'committed', 'any', (call, worker) => (s) => answer(s, worker(s), call(s), rules)),
      ...eachCall(state, 'refused', 'any', (call, worker) => (s) => answer(s, worker(s), call(s), rules)),
      ...(rules.answersAfterCommit
        ? []
        : eachCall(state, 'checked', 'first', (call) => (s) => {
            s.answers[call(s).client]![0] = s.tasks.length;
          })),
    ],
  },
  'a client cancels': {
    code: 'libs/tasks/src/task-journal.ts#cancel',
    by: 'client',
    moves: (state, { onCancel }, rules) => endFromOutside(state, 'cancel', 'canceled', onCancel, rules),
  },
  'a signal is delivered': {
    code: 'libs/tasks/src/task-signals.ts#deliver',
    by: 'client',
    moves: (state, _, rules) =>
      state.left.signal === 0
        ? []
        : each(state.tasks, (task, t) =>
            isTerminal(task.state)
              ? []
              : [
                  move(`task ${t + 1}`, (s) => {
                    s.left.signal--;
                    addSignal(s, s.tasks[t]!, rules);
                  }),
                ],
          ),
  },
  'the deadline passes': {
    code: 'libs/tasks/src/task-journal.ts#failPastDeadline',
    by: 'world',
    moves: (state, _, rules) => endFromOutside(state, 'deadline', 'failed', false, rules),
  },
} satisfies Record<string, Action>;

/** The next message once the one before is accepted; the same once more while there is no answer to it. */
function mayCall({ answers, left }: State, client: number, message: number, count: number): boolean {
  const mine = answers[client]!;
  if (mine[message] !== 'none' || (message > 0 && typeof mine[message - 1] !== 'number')) return false;
  return count === 0 || left.repeat > 0;
}

/** TaskSubmission#earlier and #withSlot: what the key stands for already, or a slot, where there is one. */
function takeCall(state: State, w: number, client: number, message: number, setting: Setting): void {
  if (state.calls[client]![message]!++ > 0) state.left.repeat--;
  const worker = state.workers[w]!;
  const earlier = taskOfKey(state, client, message);
  const task = earlier ?? (message === 0 ? -1 : (state.answers[client]![0] as number));
  const slot = earlier === undefined && setting.eager && freeSlots(worker, setting) > 0;
  worker.calls.push({ client, message, slot, phase: earlier === undefined ? 'checked' : 'committed', task });
}

function taskOfKey({ tasks }: State, client: number, message: number): number | undefined {
  const found = tasks.findIndex((task) => task.client === client && task.keys.includes(message));
  return found < 0 ? undefined : found;
}

function createTask(state: State, call: Call, rules: Rules): void {
  const created = insertTask(state, call.client, call.slot, rules);
  call.phase = 'committed';
  call.task = created ? state.tasks.length - 1 : taskOfKey(state, call.client, 0)!;
  if (created && call.slot) Object.assign(call, { token: 1, epoch: 1 });
}

function acceptInput(state: State, call: Call, { followUps }: Setting, rules: Rules): void {
  const task = state.tasks[call.task]!;
  const known = task.keys.includes(call.message);
  const waiting = task.state === 'asks';
  const refused = isTerminal(task.state) || (!waiting && followUps === 'reject');
  call.phase = refused && !(known && rules.keyBeforeState) ? 'refused' : 'committed';
  if (refused && known && !rules.keyBeforeState) note(state, 'a repeated call gives the same task');
  if (refused || known) return;
  const newTurn = !waiting && followUps === 'interrupt';
  takeInput(state, task, call.message, { waiting, newTurn, held: call.slot }, rules);
  if (call.slot && (waiting || newTurn)) Object.assign(call, { token: task.token, epoch: task.epoch });
}

/** The answer goes out and the run, if the call has claimed one, begins on its slot. */
function answer(state: State, worker: Worker, call: Call, rules: Rules): void {
  const { client, message, token, epoch } = call;
  const told = state.answers[client]![message];
  const says = call.phase === 'refused' ? 'refused' : call.task;
  if (typeof told === 'number' && typeof says === 'number' && told !== says)
    note(state, 'a repeated call gives the same task');
  // One that was refused before the other was taken in tells the client nothing new.
  if (typeof told !== 'number') state.answers[client]![message] = says;
  worker.calls.splice(worker.calls.indexOf(call), 1);
  const task = state.tasks[call.task];
  if (token === undefined || !task) return;
  // TaskSubmission#claimed: a lease that has passed on already is left to its holder. A new task's run is not read.
  if (message > 0 && task.token !== token) return;
  const run = newRun(task, call.task, rules);
  if (message === 0)
    Object.assign(run, { turn: 1, turnInput: 1, consumed: 1, known: 1, sequence: 2, attempt: 0, recorded: [] });
  worker.runs.push({ ...run, token, epoch: epoch! });
}

function endFromOutside(
  state: State,
  budget: 'cancel' | 'deadline',
  to: 'canceled' | 'failed',
  runAfter: boolean,
  rules: Rules,
): Move[] {
  if (state.left[budget] === 0) return [];
  return each(state.tasks, (task, t) =>
    isTerminal(task.state)
      ? []
      : [
          move(`task ${t + 1}`, (s) => {
            s.left[budget]--;
            changeFromOutside(s, s.tasks[t]!, to, { runAfter }, rules);
          }),
        ],
  );
}

function eachCall(
  state: State,
  phase: Call['phase'],
  which: 'first' | 'later' | 'any',
  does: (call: (s: State) => Call, worker: (s: State) => Worker) => Move['apply'],
): Move[] {
  return each(state.workers, ({ calls }, w) =>
    each(calls, (call, c) => {
      if (call.phase !== phase) return [];
      if (which !== 'any' && (call.message === 0) !== (which === 'first')) return [];
      const apply = does(
        (s) => s.workers[w]!.calls[c]!,
        (s) => s.workers[w]!,
      );
      return [move(`message ${call.message + 1}`, apply)];
    }),
  );
}
