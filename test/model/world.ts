import { type Action, each, type Move, move } from './action.js';
import { type Rules } from './rules.js';
import { eachRun } from './runs.js';
import { handBack, note } from './statements.js';
import { type Budget, idleWorker, isHeld, type Run, type State, type Worker } from './state.js';

/** Time, processes that come and go, and the queue that may lose what it has. */
export const WORLD_ACTIONS = {
  'a pause, or the lease of a run that is gone, ends': {
    code: 'libs/store/src/lease.repository.ts#claim',
    by: 'system',
    moves: (state) => eachLater(state, false, (s, t) => void (s.tasks[t]!.runAt = 'past')),
  },
  'a holder stands still until its lease has ended': {
    code: 'libs/execution/src/active-runs.ts#keepLeases',
    by: 'world',
    moves: (state) =>
      state.left.stall === 0
        ? []
        : eachLater(state, true, (s, t) => {
            s.left.stall--;
            Object.assign(s.tasks[t]!, { runAt: 'past', stalled: true });
          }),
  },
  'a process is killed': {
    code: 'apps/server/src/server.ts#startServer',
    by: 'world',
    moves: (state) =>
      eachWorker(state, 'crash', isBusy, (s, w) => {
        s.left.crash--;
        s.workers[w] = idleWorker();
      }),
  },
  'a job gets lost': {
    code: 'libs/execution/src/run-queue.ts#start',
    by: 'world',
    moves: (state) => eachJob(state, 'lostJob', 'queue', (s, t) => void s.tasks[t]!.queue--),
  },
  'a job is published, and its relay dies before it commits': {
    code: 'libs/execution/src/outbox-relay.ts#relayBatch',
    by: 'world',
    moves: (state) => eachJob(state, 'doubledJob', 'outbox', (s, t) => void s.tasks[t]!.queue++),
  },
  'a process is told to stop': {
    code: 'libs/execution/src/execution.ts#drain',
    by: 'world',
    moves: (state) =>
      eachWorker(
        state,
        'drain',
        ({ drain }) => drain === 'no',
        (s, w) => {
          s.left.drain--;
          s.workers[w]!.drain = 'waits';
        },
      ),
  },
  'a drain stops what still runs': {
    code: 'libs/execution/src/active-runs.ts#abortAll',
    by: 'system',
    moves: (state, _, { drainKeepsAttempt }) =>
      eachWorker(
        state,
        undefined,
        ({ drain, runs }) => drain === 'waits' || (drain === 'handsBack' && runs.some(isToStop)),
        (s, w) => {
          const worker = s.workers[w]!;
          worker.drain = 'handsBack';
          for (const run of worker.runs.filter(isToStop)) {
            run.aborted = true;
            if (!drainKeepsAttempt) run.found = s.tasks[run.task]!.attempt;
          }
        },
      ),
  },
  'a drain hands a run back': {
    code: 'libs/execution/src/worker-pool.ts#handBackAll',
    by: 'system',
    moves: (state, _, rules) =>
      eachRun(
        state,
        ({ aborted }) => aborted === true,
        (s, run, worker) => {
          const task = s.tasks[run.task]!;
          if (rules.drainHandsBack) handBack(task, run.token, run.found ?? task.attempt, false, rules);
          if (holds(s, run)) note(s, 'a drained process leaves no lease behind');
          run.aborted = run.found = undefined;
          run.phase = 'broken';
          // What it has submitted may still reach the database before the process ends.
          if (run.writes.length === 0) worker.runs.splice(worker.runs.indexOf(run), 1);
        },
      ),
  },
  'a drained process ends': {
    code: 'apps/server/src/server.ts#drain',
    by: 'system',
    moves: (state, _, rules) =>
      eachWorker(
        state,
        undefined,
        (worker) => isDrained(worker, rules),
        (s, w) => {
          if (s.workers[w]!.runs.some((run) => holds(s, run))) note(s, 'a drained process leaves no lease behind');
          s.workers[w] = idleWorker();
        },
      ),
  },
} satisfies Record<string, Action>;

function isBusy({ runs, calls, drain }: Worker): boolean {
  return runs.length > 0 || calls.length > 0 || drain !== 'no';
}

/** A run that the process knows of: its claim has been answered. */
function isToStop({ phase, aborted }: Run): boolean {
  return phase !== 'claimed' && phase !== 'broken' && !aborted;
}

/** RunSlots#idle: a slot is taken by a claim or an acceptance under way as well, whose run is still to come. */
function isDrained({ drain, runs, calls }: Worker, { drainWaitsForSlots }: Rules): boolean {
  if (drain !== 'handsBack' || calls.length > 0) return false;
  return drainWaitsForSlots ? runs.length === 0 : !runs.some(({ aborted }) => aborted);
}

function holds({ tasks }: State, { task, epoch }: Run): boolean {
  return tasks[task]!.owned && tasks[task]!.epoch === epoch;
}

function eachLater(state: State, held: boolean, does: (s: State, task: number) => void): Move[] {
  return each(state.tasks, ({ runAt }, t) =>
    runAt === 'later' && isHeld(state, t) === held ? [move(`task ${t + 1}`, (s) => does(s, t))] : [],
  );
}

function eachWorker(
  state: State,
  budget: keyof Budget | undefined,
  which: (worker: Worker) => boolean,
  does: (s: State, worker: number) => void,
): Move[] {
  if (budget && state.left[budget] === 0) return [];
  return each(state.workers, (worker, w) => (which(worker) ? [move(`process ${w + 1}`, (s) => does(s, w))] : []));
}

function eachJob(
  state: State,
  budget: 'lostJob' | 'doubledJob',
  where: 'outbox' | 'queue',
  does: (s: State, task: number) => void,
): Move[] {
  if (state.left[budget] === 0) return [];
  return each(state.tasks, (task, t) =>
    task[where] === 0
      ? []
      : [
          move(`task ${t + 1}`, (s) => {
            s.left[budget]--;
            does(s, t);
          }),
        ],
  );
}
