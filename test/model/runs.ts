import { type Action, each, freeSlots, type Move, move } from './action.js';
import { type Rules } from './rules.js';
import { callNext, emitWorking, runsAhead, write } from './handler.js';
import { append, claim, finish, handBack, nextTurn, note, renew } from './statements.js';
import { isHeld, isTerminal, type Run, type Setting, type State, type Task, type Worker, type Write } from './state.js';

/** Failures of the handler after which a task fails. */
const ATTEMPTS = 2;

/** What a process does that runs handlers. */
export const RUN_ACTIONS = {
  'a job is published': {
    code: 'libs/execution/src/outbox-relay.ts#relayBatch',
    by: 'system',
    moves: (state) =>
      // A job leaves the outbox when it is due; that of a pause is the newest.
      each(state.tasks, ({ outbox, runAt, owned }, t) =>
        outbox === 0 || (outbox === 1 && runAt === 'later' && !owned)
          ? []
          : [move(`task ${t + 1}`, (s) => void (s.tasks[t]!.outbox--, s.tasks[t]!.queue++))],
      ),
  },
  'a due job is claimed as it leaves the outbox': {
    code: 'libs/execution/src/job-claims.ts#take',
    by: 'system',
    moves: (state, setting, rules) =>
      each(state.tasks, (task, t) =>
        task.outbox > 0 && task.runAt === 'past'
          ? claims(state, t, setting, rules, (s) => void s.tasks[t]!.outbox--)
          : [],
      ),
  },
  'a job is taken': {
    code: 'libs/execution/src/worker-pool.ts#claimAndRun',
    by: 'system',
    moves: (state, setting, rules) =>
      each(state.tasks, (task, t) =>
        task.queue === 0 ? [] : claims(state, t, setting, rules, (s) => void s.tasks[t]!.queue--),
      ),
  },
  'the reaper makes a job for a task that has none': {
    code: 'libs/execution/src/reaper.ts#requeueOverdue',
    by: 'system',
    moves: (state, _, rules) =>
      // It cannot see the queue; that a job comes twice is an action of its own.
      each(state.tasks, ({ runAt, outbox, queue }, t) =>
        rules.reaperLooks && runAt === 'past' && outbox + queue === 0
          ? [move(`task ${t + 1}`, (s) => void s.tasks[t]!.outbox++)]
          : [],
      ),
  },
  'a claimed run is loaded': {
    code: 'libs/tasks/src/claimed-run.ts#load',
    by: 'system',
    moves: (state, _, rules) =>
      eachRun(
        state,
        ({ phase }) => phase === 'claimed',
        (s, run) => load(s, run, rules),
      ),
  },
  'a lease is renewed, or seen to be lost': {
    code: 'libs/execution/src/active-runs.ts#renew',
    by: 'system',
    moves: (state, _, rules) =>
      eachRun(
        state,
        ({ phase, task, token }) =>
          phase !== 'claimed' && (state.tasks[task]!.token !== token || state.tasks[task]!.runAt === 'past'),
        (s, run, worker) => {
          const task = s.tasks[run.task]!;
          if (!renew(task, run.token, rules)) return end(worker, run);
          if (task.epoch !== run.epoch) note(s, 'one writer at a time');
        },
      ),
  },
  'the handler goes on': {
    code: 'libs/execution/src/run-context.ts#RunContext',
    by: 'system',
    moves: (state, { script }) =>
      eachRun(
        state,
        (run) => run.phase === 'going' && !run.aborted && (run.writes.length === 0 || runsAhead(run, script)),
        (s, run) => callNext(s, run, script),
      ),
  },
  'a run takes up what the client has sent': {
    code: 'libs/execution/src/run-context.ts#takeNewInputs',
    by: 'system',
    moves: (state, { script }) =>
      eachRun(
        state,
        ({ phase, position, aborted }) => phase === 'unseen' && position <= script.length && !aborted,
        (s, run) => {
          run.known = s.tasks[run.task]!.inputs;
          run.phase = 'going';
        },
      ),
  },
  'a turn has its closing words': {
    code: 'libs/execution/src/task-runner.ts#complete',
    by: 'system',
    moves: (state, { script }) =>
      eachRun(
        state,
        ({ phase, position }) => phase === 'unseen' && position > script.length,
        (_, run) => {
          if (run.recorded.includes(run.position)) run.phase = 'next';
          else write(run, { events: 1, state: 'working', record: run.position, then: 'next' });
        },
      ),
  },
  'the next turn begins': {
    code: 'libs/tasks/src/task-journal.ts#nextTurn',
    by: 'system',
    moves: (state, _, rules) =>
      eachRun(
        state,
        ({ phase }) => phase === 'next',
        (s, run, worker) => {
          if (!nextTurn(s, run, rules)) return end(worker, run);
          startOver(s, run, rules);
        },
      ),
  },
  'a run starts over': {
    code: 'libs/tasks/src/claimed-run.ts#reload',
    by: 'system',
    moves: (state, _, rules) =>
      eachRun(
        state,
        ({ phase }) => phase === 'over',
        (s, run, worker) => {
          if (s.tasks[run.task]!.token !== run.token) return end(worker, run);
          startOver(s, run, rules);
        },
      ),
  },
  'the committer flushes writes of a run': {
    code: 'libs/store/src/commit-statement.ts#appendParts',
    by: 'system',
    moves: (state, { script }, rules) =>
      eachFlush(state, (s, run, worker, count) => flush({ state: s, run, worker, script, rules }, count)),
  },
  'the commit of writes is in doubt': {
    code: 'libs/store/src/group-committer.ts#settleUnknown',
    by: 'world',
    moves: (state, _, rules) =>
      state.left.doubt === 0
        ? []
        : [true, false].flatMap((committed) =>
            eachFlush(state, (s, run, _worker, count) => {
              s.left.doubt--;
              const writes = run.writes.slice(0, count);
              if (committed) append(s, run, writes, rules);
              for (const each of writes) each.doubt = true;
            }),
          ),
  },
  'writes are read back': {
    code: 'libs/store/src/write-outcome.ts#isCommitted',
    by: 'system',
    moves: (state, { script }, rules) =>
      eachRun(
        state,
        ({ writes }) => writes[0]?.doubt === true,
        (s, run, worker) => {
          const [first] = run.writes;
          if (!rules.doubtIsRead || isCommitted(s.tasks[run.task]!, run, first!)) committed(run, worker, 1, script);
          else first!.doubt = undefined;
        },
      ),
  },
  'the database refuses a write': {
    code: 'libs/store/src/group-committer.ts#afterError',
    by: 'world',
    moves: (state) =>
      state.left.refusal === 0
        ? []
        : eachRun(
            state,
            ({ phase, writes }) => phase !== 'claimed' && writes.length > 0 && !writes[0]!.doubt,
            (s, run, worker) => {
              s.left.refusal--;
              run.writes.shift();
              run.phase = 'broken';
              if (run.writes.length === 0) end(worker, run);
            },
          ),
  },
  'the handler throws': {
    code: 'libs/execution/src/task-runner.ts#afterError',
    by: 'world',
    moves: (state) =>
      state.left.failure === 0
        ? []
        : eachRun(
            state,
            ({ phase, aborted }) => (phase === 'going' || phase === 'cleaning') && !aborted,
            (s, run) => {
              s.left.failure--;
              run.phase = 'failing';
            },
          ),
  },
  'a failed run is tried again later, or ends the task': {
    code: 'libs/execution/src/task-runner.ts#retryLater',
    by: 'system',
    moves: (state, _, rules) =>
      eachRun(
        state,
        ({ phase, writes }) => phase === 'failing' && writes.length === 0,
        (s, run, worker) => {
          const task = s.tasks[run.task]!;
          if (run.attempt + 1 < ATTEMPTS) {
            if (handBack(task, run.token, run.attempt + 1, true, rules)) task.failures++;
            end(worker, run);
          } else if (run.ended) {
            finish(task, run.token);
            end(worker, run);
          } else {
            write(run, { events: 1, state: 'failed', release: true, then: 'end' });
          }
        },
      ),
  },
  'a clean-up begins': {
    code: 'libs/execution/src/task-runner.ts#cleanUp',
    by: 'system',
    moves: (state) =>
      eachRun(
        state,
        ({ phase, aborted }) => phase === 'cleanUp' && !aborted,
        (s, run) => {
          const task = s.tasks[run.task]!;
          if (task.state !== 'canceled') note(s, 'what is canceled is cleaned up, and nothing else');
          if (task.cleanUp === 'done' && task.epoch === run.epoch)
            note(s, 'a clean-up that is done is not begun again');
          if (task.cleanUp === 'none') task.cleanUp = 'begun';
          run.phase = 'cleaning';
        },
      ),
  },
  'a clean-up is done': {
    code: 'libs/store/src/lease.repository.ts#finish',
    by: 'system',
    moves: (state) =>
      eachRun(
        state,
        ({ phase, aborted }) => phase === 'cleaning' && !aborted,
        (s, run, worker) => {
          const task = s.tasks[run.task]!;
          if (task.token === run.token) task.cleanUp = 'done';
          finish(task, run.token);
          end(worker, run);
        },
      ),
  },
} satisfies Record<string, Action>;

/** A run as the loader makes it of a row, its lease the row's own. */
export function newRun(task: Task, t: number, rules: Rules): Run {
  return {
    ...{ task: t, token: task.token, epoch: task.epoch, turn: task.turn, turnInput: task.turnInput },
    ...{ sequence: task.sequence, attempt: task.attempt, known: task.inputs, consumed: task.turnInput },
    ...{ recorded: rules.replayReadsJournal ? recorded(task, task.turn) : [], position: 1, phase: 'going', writes: [] },
  };
}

/** The same for a run that goes on under the lease it has. */
function startOver(state: State, run: Run, rules: Rules): void {
  const { token, epoch, aborted, found } = run;
  Object.assign(run, newRun(state.tasks[run.task]!, run.task, rules), { token, epoch, aborted, found });
}

/** WorkerPool#claim, where a process has room: the lease is taken; what the run needs is read afterwards. */
function claims(state: State, t: number, setting: Setting, rules: Rules, before: (s: State) => void): Move[] {
  return each(state.workers, (worker, w) =>
    worker.drain !== 'no' || freeSlots(worker, setting) <= 0
      ? []
      : [
          move(`task ${t + 1}`, (s) => {
            before(s);
            const task = s.tasks[t]!;
            if (!claim(s, task, isHeld(s, t), rules)) return;
            const run = newRun(task, t, rules);
            s.workers[w]!.runs.push({ ...run, phase: 'claimed', ended: isTerminal(task.state) || undefined });
            if (task.state === 'submitted') emitWorking(s.workers[w]!.runs.at(-1)!);
          }),
        ],
  );
}

function load(state: State, run: Run, rules: Rules): void {
  const task = state.tasks[run.task]!;
  run.known = task.inputs;
  run.recorded = rules.replayReadsJournal ? recorded(task, run.turn) : [];
  run.phase = run.ended ? 'cleanUp' : 'going';
}

function recorded({ records }: Task, turn: number): number[] {
  return records.filter((record) => record.startsWith(`${turn}.`)).map((record) => Number(record.split('.')[1]));
}

interface Flushing {
  readonly state: State;
  readonly run: Run;
  readonly worker: Worker;
  readonly script: Setting['script'];
  readonly rules: Rules;
}

/** One statement for the first `count` writes, and what the run does with its outcome. */
function flush(flushing: Flushing, count: number): void {
  const { state, run, worker, script, rules } = flushing;
  const writes = run.writes.slice(0, count).map((each) => fenced(each, rules));
  const outcome = append(state, run, writes, rules);
  if (outcome === 'done') return committed(run, worker, count, script);
  // GroupCommitter#settleRefused: each by itself, in order.
  if (count > 1) return flush(flushing, 1);
  const { token, sequence } = state.tasks[run.task]!;
  const [first] = writes;
  // `reasonOfRefusal` in write-outcome.ts.
  if (outcome === 'refused' && token === run.token && sequence === first!.base) {
    run.writes.shift();
    run.sequence = first!.base;
    run.phase = first!.signals === undefined ? 'unseen' : 'over';
    return;
  }
  run.writes.shift();
  run.phase = 'broken';
  if (run.writes.length === 0) end(worker, run);
}

function fenced(write: Write, rules: Rules): Write {
  const namesInputs = write.state === 'completed' ? rules.completingNamesInputs : rules.askingNamesInputs;
  return {
    ...write,
    inputs: namesInputs ? write.inputs : undefined,
    signals: rules.restingNamesSignals ? write.signals : undefined,
  };
}

function committed(run: Run, worker: Worker, count: number, script: Setting['script']): void {
  for (const { then } of run.writes.splice(0, count)) {
    if (then === 'end') return end(worker, run);
    if (then === 'nothing' || run.phase === 'broken') continue;
    run.phase = run.position > script.length ? 'next' : 'going';
    run.position++;
  }
  if (run.phase === 'broken' && run.writes.length === 0) end(worker, run);
}

function isCommitted(task: Task, run: Run, { base, events, record }: Write): boolean {
  if (events > 0) return task.events[base] === run.epoch;
  // A run that only rests leaves nothing behind to tell; giving back what is given back already does no harm.
  return record !== undefined && task.records.includes(`${run.turn}.${record}`);
}

function end(worker: Worker, run: Run): void {
  worker.runs.splice(worker.runs.indexOf(run), 1);
}

export function eachRun(
  state: State,
  which: (run: Run) => boolean,
  does: (s: State, run: Run, worker: Worker) => void,
): Move[] {
  return each(state.workers, ({ runs }, w) =>
    each(runs, (run, r) =>
      which(run)
        ? [move(`task ${run.task + 1}, lease ${run.epoch}`, (s) => does(s, s.workers[w]!.runs[r]!, s.workers[w]!))]
        : [],
    ),
  );
}

/** A flush takes what was submitted before it: the first writes of a run, as many as there were then. */
function eachFlush(state: State, does: (s: State, run: Run, worker: Worker, count: number) => void): Move[] {
  return [1, 2, 3].flatMap((count) =>
    eachRun(
      state,
      ({ phase, writes }) =>
        phase !== 'claimed' && writes.length >= count && !writes.slice(0, count).some(({ doubt }) => doubt),
      (s, run, worker) => does(s, run, worker, count),
    ),
  );
}
