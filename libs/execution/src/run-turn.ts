import { type Agent, type AgentLog, type AgentRegistry } from '#agents';
import { type Config } from '#platform';
import { type Message, type MessageJson, MessageSchema, toJsonObject } from '#protocol';
import { type Store } from '#store';
import { type ClaimedRun, type RunLoader, type RunWriter, type TaskDelegations } from '#tasks';
import { type ActiveRun } from './active-run.js';
import { isAuthorsFault, RunAbortedError, RunInactiveError } from './handler-errors.js';
import { RunActivity } from './run-activity.js';
import { RunClock } from './run-clock.js';
import { RunJournal } from './run-journal.js';
import { RunSignals } from './run-signals.js';
import { RunWaits } from './run-waits.js';

/** What a turn is made of. */
export interface TurnParts {
  readonly run: ClaimedRun;
  readonly writer: RunWriter;
  readonly active: ActiveRun;
  readonly log: AgentLog;
  readonly store: Store;
  readonly loader: RunLoader;
  readonly config: TurnConfig;
  /** The agent that runs here. */
  readonly agent: Agent;
  /** All that there are here. */
  readonly agents: AgentRegistry;
  readonly delegations: TaskDelegations;
}

type TurnConfig = Pick<Config, 'maxRecordsPerTurn' | 'delegationDepth' | 'peers'>;

/** One turn of one run: what the handler's calls share, whichever branch they are made in. */
export class RunTurn {
  readonly run: ClaimedRun;
  readonly writer: RunWriter;
  readonly active: ActiveRun;
  readonly log: AgentLog;
  readonly loader: RunLoader;
  readonly agents: AgentRegistry;
  readonly delegations: TaskDelegations;
  readonly config: TurnConfig;
  readonly clock: RunClock;
  readonly journal: RunJournal;
  readonly waits = new RunWaits();
  readonly signals: RunSignals;
  /** Client messages that the turn has taken up, its first one included. */
  consumed: number;
  /** Whether it has delegated anything. */
  delegates = false;
  private activity: RunActivity | undefined;
  private fault: Error | undefined;
  // Made when they are asked for: few handlers read the history.
  private messageJson: MessageJson | undefined;
  private historyJson: readonly MessageJson[] | undefined;
  private readonly historyAtStart: readonly Message[];

  constructor({ run, writer, active, log, store, loader, config, agent, ...parts }: TurnParts) {
    this.run = run;
    this.writer = writer;
    this.active = active;
    this.log = log;
    this.loader = loader;
    this.agents = parts.agents;
    this.delegations = parts.delegations;
    this.config = config;
    this.clock = new RunClock(store);
    this.signals = new RunSignals(run, store, this.waits);
    active.whenSignaled(() => this.hearSignals());
    const versions = { recorded: run.agentVersion, running: agent.card.version };
    this.journal = new RunJournal(run.turn, run.records, { maxRecords: config.maxRecordsPerTurn, versions });
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
    const { activity } = this;
    activity?.begin();
    call.then(
      () => activity?.end(),
      (error: unknown) => {
        activity?.end();
        if (isAuthorsFault(error)) this.fault ??= error;
      },
    );
    return call;
  }

  /** Runs code of the handler within one of its calls: as long as that says nothing, the call is no sign of life. */
  async unwatched<T>(work: () => Promise<T> | T): Promise<T> {
    this.activity?.end();
    try {
      return await work();
    } finally {
      this.activity?.begin();
    }
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

  private hearSignals(): void {
    this.signals.hear().catch((error: unknown) => this.log.warn({ err: error }, 'signals.not_read'));
  }

  /** From now on a handler that gives no sign of life for so long ends the run. */
  watchActivity(limitMs: number): void {
    const fact = `the handler did nothing that is seen for ${limitMs} ms: no call on the task, and no step with a timeout`;
    this.activity = new RunActivity(limitMs, this.waits, () => this.active.end(new RunInactiveError(fact)));
  }

  /** Nothing of the turn is left waiting. */
  end(): void {
    this.activity?.stop();
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
