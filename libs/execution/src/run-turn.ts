import { type AgentLog } from '#agents';
import { type Config } from '#platform';
import { type Message, type MessageJson, MessageSchema, toJsonObject } from '#protocol';
import { type Store } from '#store';
import { type ClaimedRun, type RunLoader, type RunWriter } from '#tasks';
import { type ActiveRun } from './active-run.js';
import { isAuthorsFault, RunAbortedError } from './handler-errors.js';
import { RunClock } from './run-clock.js';
import { RunJournal } from './run-journal.js';
import { RunWaits } from './run-waits.js';

/** What a turn is made of. */
export interface TurnParts {
  readonly run: ClaimedRun;
  readonly writer: RunWriter;
  readonly active: ActiveRun;
  readonly log: AgentLog;
  readonly store: Store;
  readonly loader: RunLoader;
  readonly config: Pick<Config, 'maxRecordsPerTurn'>;
}

/** One turn of one run: what the handler's calls share, whichever branch they are made in. */
export class RunTurn {
  readonly run: ClaimedRun;
  readonly writer: RunWriter;
  readonly active: ActiveRun;
  readonly log: AgentLog;
  readonly loader: RunLoader;
  readonly clock: RunClock;
  readonly journal: RunJournal;
  readonly waits = new RunWaits();
  /** Client messages that the turn has taken up, its first one included. */
  consumed: number;
  private fault: Error | undefined;
  // Made when they are asked for: few handlers read the history.
  private messageJson: MessageJson | undefined;
  private historyJson: readonly MessageJson[] | undefined;
  private readonly historyAtStart: readonly Message[];

  constructor({ run, writer, active, log, store, loader, config }: TurnParts) {
    this.run = run;
    this.writer = writer;
    this.active = active;
    this.log = log;
    this.loader = loader;
    this.clock = new RunClock(store);
    this.journal = new RunJournal(run.turn, run.records, config.maxRecordsPerTurn);
    this.consumed = run.turnInput;
    this.historyAtStart = run.task.history;
  }

  /** The message that began the turn. */
  get message(): MessageJson {
    return (this.messageJson ??= JSON.parse(this.run.inputs[this.run.turnInput - 1]!.text) as MessageJson);
  }

  /** All messages up to that one. */
  get history(): readonly MessageJson[] {
    return (this.historyJson ??= historyOf(this.run, this.historyAtStart));
  }

  get subject() {
    return { taskId: this.run.task.id, contextId: this.run.task.contextId };
  }

  /**
   * A failure of a call that nobody awaits must not end the process. Nor is it forgotten, where the handler is to blame:
   * the run does not end well.
   */
  watched<T>(call: Promise<T>): Promise<T> {
    call.catch((error: unknown) => {
      if (isAuthorsFault(error)) this.fault ??= error;
    });
    return call;
  }

  /** Throws what the handler did wrong in a call whose failure it did not let pass. */
  assertFaultless(): void {
    if (this.fault) throw this.fault;
  }

  /** Throws when the run has been stopped. */
  assertGoing(): void {
    const cause = this.active.stopReason;
    if (cause) throw new RunAbortedError('the run has ended', { cause });
  }

  /** Nothing of the turn is left waiting. */
  end(): void {
    const cause = this.active.stopReason;
    this.waits.stop(cause && new RunAbortedError('the run has ended', { cause }));
  }
}

/** What had been said when the turn began, its own message last: the same on each replay. */
function historyOf({ inputs, turnInput, records }: ClaimedRun, history: readonly Message[]): MessageJson[] {
  const { message } = inputs[turnInput - 1]!;
  const begun = records.find(({ position }) => position === 0);
  const said = history.slice(0, begun ? Number(begun.value) : history.indexOf(message) + 1);
  const notYet = new Set(inputs.slice(turnInput - 1).map((input) => input.message));
  return [...said.filter((each) => !notYet.has(each)), message].map((each) => toJsonObject(MessageSchema, each));
}
