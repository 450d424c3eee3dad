/** SUBMITTED, WORKING, INPUT_REQUIRED, COMPLETED, FAILED, CANCELED. */
export type TaskState = 'submitted' | 'working' | 'asks' | 'completed' | 'failed' | 'canceled';

/** What the handler does in each turn before it returns, by position from 1. */
export type Script = readonly ('status' | 'step' | 'sleep' | 'ask' | 'wait' | 'waitInTime')[];

/** What may happen at most so often: each makes the state space larger, none of it has to happen. */
export interface Budget {
  /** A process is killed, and another takes its place. */
  crash: number;
  /** The holder of a lease stands still for longer than the lease. */
  stall: number;
  /** A job vanishes from the queue, or is published twice. */
  lostJob: number;
  doubledJob: number;
  /** A client cancels; a task's deadline passes. */
  cancel: number;
  deadline: number;
  /** The handler throws. */
  failure: number;
  /** A process is told to stop. */
  drain: number;
  /** The committer's connection breaks under a statement. */
  doubt: number;
  /** The database refuses one write, as it does with a text that it cannot store. */
  refusal: number;
  /** Somebody sends a signal to a task. */
  signal: number;
  /** A client repeats a call that it has no answer to, with the same idempotency key. */
  repeat: number;
}

/** One constellation to explore. */
export interface Setting extends Budget {
  readonly workers: number;
  /** Runs that a process has room for. */
  readonly slots: number;
  /** Whether a process starts what it accepts; without, everything goes through the queue. */
  readonly eager: boolean;
  /** Clients, each with a task of its own. */
  readonly clients: number;
  /** Messages that each client sends: the first makes the task, the others go to it. */
  readonly messages: number;
  readonly followUps: 'queue' | 'interrupt' | 'reject';
  readonly script: Script;
  readonly onCancel: boolean;
}

/** A row of `tasks` with what belongs to it in the other tables; from `epoch` on, what only the laws look at. */
export interface Task {
  client: number;
  state: TaskState;
  sequence: number;
  inputs: number;
  turn: number;
  turnInput: number;
  token: number;
  /** Whether `lease_owner` names somebody. */
  owned: boolean;
  /** `run_at`: null, in the past, or in the future. */
  runAt: 'none' | 'past' | 'later';
  attempt: number;
  /** `task_signals`: how many have come, and the number of the one that each record has taken. */
  signals: number;
  taken: number[];
  listens: boolean;
  /** `task_events`: the epoch of the run that wrote event n, at n - 1; 0 for what no run wrote. */
  events: number[];
  /** `task_journal`: `turn.position` of each record. */
  records: string[];
  /** `idempotency_keys`: the messages whose keys name this task. */
  keys: number[];
  /** Its jobs in `outbox` and in the queue. */
  outbox: number;
  queue: number;
  /** Rises whenever the right to write passes on, whatever the token does. */
  epoch: number;
  /** The holder has stood still since it got or renewed the lease. */
  stalled: boolean;
  /** Failures of the handler that were counted in this turn. */
  failures: number;
  /** The newest client message that a turn had taken up when the task asked or completed. */
  seen: number;
  cleanUp: 'none' | 'begun' | 'done';
}

/** One write of a run, on its way to the committer. */
export interface Write {
  /** Number of the newest event before this write. */
  base: number;
  /** Events it adds: 0 or 1. */
  events: 0 | 1;
  state?: TaskState;
  /** Position of the record it carries. */
  record?: number;
  release?: boolean;
  /** With `release`: goes on after a pause. */
  due?: boolean;
  inputs?: number;
  /** Number of the signal that the record takes. */
  takes?: number;
  /** With `release`: waits for a signal; and how many of them the run has seen. */
  listens?: boolean;
  signals?: number;
  /** What the run does once it is committed: nothing, because it ran ahead; its next call; or end here. */
  then: 'nothing' | 'next' | 'end';
  /** The connection broke under it. */
  doubt?: boolean;
}

/** A run of a process, from its claim to its end. */
export interface Run {
  task: number;
  token: number;
  epoch: number;
  turn: number;
  turnInput: number;
  sequence: number;
  attempt: number;
  /** Client messages read, and how many of them the turn has taken up. */
  known: number;
  consumed: number;
  /** Positions of the turn that were recorded when it was loaded. */
  recorded: number[];
  /** Position of the call that the handler makes next. */
  position: number;
  /**
   * claimed: the claim is committed, its answer under way. going: the handler has the word. waiting: for its last write.
   * unseen: the client has sent a message that the settlement did not count. next: the turn's words are committed, the
   * next one begins. over: a signal has come that the rest did not count. failing: the handler threw. cleanUp, cleaning: the task is canceled, its clean-up is to begin, or
   * under way. broken: ends when its writes are answered.
   */
  phase: 'claimed' | 'going' | 'waiting' | 'unseen' | 'next' | 'over' | 'failing' | 'cleanUp' | 'cleaning' | 'broken';
  /** The task had ended when it was claimed. */
  ended?: boolean;
  writes: Write[];
  /** Told to stop by the drain, and the task's attempts as they were then. */
  aborted?: boolean;
  found?: number;
}

/** A call of a client, in the process that answers it. */
export interface Call {
  client: number;
  message: number;
  /** Has a slot reserved. */
  slot: boolean;
  phase: 'checked' | 'doubt' | 'committed' | 'refused';
  /** The task, and the lease that its run starts under. */
  task: number;
  token?: number;
  epoch?: number;
}

/** A process: API and worker in one, as in the default mode. */
export interface Worker {
  runs: Run[];
  calls: Call[];
  drain: 'no' | 'waits' | 'handsBack';
}

/** What a client knows: for each of its messages, nothing yet, the task it was told, or that it was refused. */
export type Answer = 'none' | 'refused' | number;

/** All there is. `broken` names laws that an action was seen to break; the rest of them look at the state. */
export interface State {
  tasks: Task[];
  workers: Worker[];
  /** By client and message: calls made, and the answer. */
  calls: number[][];
  answers: Answer[][];
  left: Budget;
  broken: string[];
}

const BUDGET: readonly (keyof Budget)[] = [
  ...(['crash', 'stall', 'lostJob', 'doubledJob', 'cancel', 'deadline'] as const),
  ...(['failure', 'drain', 'doubt', 'refusal', 'signal', 'repeat'] as const),
];

export function idleWorker(): Worker {
  return { runs: [], calls: [], drain: 'no' };
}

export function initialState(setting: Setting): State {
  const table = <T>(value: T) => Array.from({ length: setting.clients }, () => Array<T>(setting.messages).fill(value));
  return {
    tasks: [],
    workers: Array.from({ length: setting.workers }, idleWorker),
    calls: table(0),
    answers: table<Answer>('none'),
    left: Object.fromEntries(BUDGET.map((name) => [name, setting[name]])) as unknown as Budget,
    broken: [],
  };
}

export function copyOf({ tasks, workers, calls, answers, left, broken }: State): State {
  return {
    tasks: tasks.map((task) => ({
      ...task,
      events: [...task.events],
      records: [...task.records],
      keys: [...task.keys],
      taken: [...task.taken],
    })),
    workers: workers.map(({ runs, calls, drain }) => ({
      runs: runs.map((run) => ({ ...run, writes: run.writes.map((write) => ({ ...write })) })),
      calls: calls.map((call) => ({ ...call })),
      drain,
    })),
    calls: calls.map((each) => [...each]),
    answers: answers.map((each) => [...each]),
    left: { ...left },
    broken: [...broken],
  };
}

/** The state as text, the same for states that differ in the names of the workers alone. */
export function keyOf({ tasks, workers, calls, answers, left, broken }: State): string {
  const processes = workers.map((worker) => JSON.stringify(worker)).sort();
  return processes.join() + JSON.stringify([tasks, calls, answers, Object.values(left), broken]);
}

export function isTerminal(state: TaskState): boolean {
  return state === 'completed' || state === 'failed' || state === 'canceled';
}

/** Whether the run to which the right to write a task has passed last is still there, or about to begin. */
export function isHeld({ tasks, workers }: State, task: number): boolean {
  const { epoch } = tasks[task]!;
  const holds = (held: { task: number; epoch?: number }) => held.task === task && held.epoch === epoch;
  return workers.some(({ runs, calls }) => runs.some(holds) || calls.some(holds));
}
