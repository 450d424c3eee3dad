import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { type Agent, type AgentRegistry, type CanceledTask, isDelegationError, isFail, isReject } from '#agents';
import { type Config, type Logger } from '#platform';
import { isTerminal, type Message, PartSchema, TaskState } from '#protocol';
import { DatabaseUnavailableError, InputPendingError, LeaseLostError, type Store } from '#store';
import {
  agentMessage,
  type ClaimedRun,
  InvalidOutputError,
  isDelegated,
  outputParts,
  OverLimitError,
  partsOf,
  type RunLimits,
  type RunLoader,
  RunWriter,
  statusEvent,
  type TaskDelegations,
  type TaskJournal,
  taskStatus,
  type TaskStreams,
  workingEvent,
} from '#tasks';
import { type ActiveRun } from './active-run.js';
import {
  isAuthorsFault,
  NonDeterministicHandlerError,
  RunAbortedError,
  RunEndedError,
  RunInactiveError,
  RunTimeoutError,
} from './handler-errors.js';
import { retryDelay } from './retry-delay.js';
import { RunContext } from './run-context.js';
import { RunLog } from './run-log.js';
import { RunTurn } from './run-turn.js';
import { Rest, type RunWaits } from './run-waits.js';

/** How long a run that the database has failed is left alone, and how often a database that is away is asked to take it back. */
const OUTAGE_PAUSE_MS = 1_000;
const HAND_BACK_PAUSE_MS = 250;

const UNANSWERED = 'the handler returned while it asks for input: await requestInput and requestAuth';

/** What a run works with. */
export interface RunnerParts {
  readonly store: Store;
  readonly agents: AgentRegistry;
  readonly journal: TaskJournal;
  readonly streams: TaskStreams;
  readonly loader: RunLoader;
  readonly delegations: TaskDelegations;
  readonly config: RunLimits &
    Pick<Config, 'leaseMs' | 'maxRecordsPerTurn' | 'maxLostWorkers' | 'delegationDepth' | 'peers'>;
  readonly logger: Logger;
}

/** Executes claimed runs: calls the handler, and brings the task to a settled state whatever the handler does. */
export class TaskRunner {
  constructor(private readonly parts: RunnerParts) {}

  /** Runs a claimed task until it has settled, waits, is retried later or has lost its lease. Never rejects. */
  async run(run: ClaimedRun, agent: Agent, active: ActiveRun): Promise<void> {
    const log = new RunLog(this.parts.logger, { tenant: run.lease.tenantId, agent: agent.id, task: run.lease.taskId });
    try {
      if (isTerminal(run.task.status?.state ?? TaskState.UNSPECIFIED)) await this.cleanUp(run, agent, active, log);
      else await this.runTurns(run, agent, active, log);
    } catch (error) {
      // The lease is what a run lives by: without it there is nothing left to do, and its new holder does it.
      if (isStopped(active, error)) log.info({ reason: reasonOf(active, error) }, 'run.stopped');
      else log.error({ err: error }, 'run.broken');
    }
  }

  private async runTurns(first: ClaimedRun, agent: Agent, active: ActiveRun, log: RunLog): Promise<void> {
    let next: ClaimedRun | undefined = first;
    while (next) next = await this.runTurn(next, agent, active, log);
  }

  /** Runs one turn; answers with the next one where the client has sent another message meanwhile. */
  private async runTurn(
    run: ClaimedRun,
    agent: Agent,
    active: ActiveRun,
    log: RunLog,
  ): Promise<ClaimedRun | undefined> {
    const { store, streams, loader, config, agents, delegations } = this.parts;
    const writer = new RunWriter(run, store, streams, config);
    if (run.lost > config.maxLostWorkers) {
      await writer.settle(this.failure(run, 'The workers that ran this task were lost', { reason: 'worker_lost' }));
      return undefined;
    }
    if (run.task.status?.state === TaskState.SUBMITTED) {
      await writer.emit(workingEvent(subjectOf(run), new Date()));
    }
    const timer = runTimer(agent, active);
    const turn = new RunTurn({ run, writer, active, log, store, loader, config, agent, agents, delegations });
    const context = new RunContext(turn);
    if (agent.inactivityMs !== undefined) turn.watchActivity(agent.inactivityMs);
    noteVersions(run, agent, log);
    try {
      const output = await outcome(() => agent.run(context), active, turn.waits);
      if (output instanceof Rest) return await this.rest(turn, output);
      return await this.complete(turn, agent, context, output);
    } catch (error) {
      if (isStopped(active, error)) throw error;
      active.end(new RunEndedError('the run has ended'));
      if (error instanceof DatabaseUnavailableError) await this.afterOutage(active, log, error);
      else await this.afterError(turn, agent, error);
      return undefined;
    } finally {
      clearTimeout(timer);
      this.tellFollowers(turn);
      turn.end();
    }
  }

  /** Whoever has delegated the task may have waited for just this; and what it has delegated itself ends with it. */
  private tellFollowers({ run, delegates, waits }: RunTurn): void {
    const wasDelegated = run.inputs.some(({ request }) => isDelegated(request.metadata));
    if (wasDelegated || (delegates && !waits.hasEnded)) this.parts.delegations.changed(run.lease);
  }

  /**
   * The turn goes on when its time has come, or a signal; where it waits for the client, all is said already. Where a
   * signal has come that it has not seen, it starts over at once.
   */
  private async rest(turn: RunTurn, { due, listens }: Rest): Promise<ClaimedRun | undefined> {
    if (!due && !listens) return undefined;
    turn.assertFaultless();
    const rests = await turn.writer.suspend(due, listens ? turn.signals.seen : undefined);
    if (!rests) return this.parts.loader.reload(turn.run.lease);
    if (due) this.parts.journal.signalOutbox();
    return undefined;
  }

  private async complete(turn: RunTurn, agent: Agent, context: RunContext, output: Awaited<ReturnType<Agent['run']>>) {
    const { run, writer, consumed } = turn;
    const call = context.returned();
    turn.assertFaultless();
    if (consumed > run.inputs.length) throw new InvalidOutputError(UNANSWERED);
    const message = output === undefined || output === null ? undefined : closingWords(run, output);
    try {
      await writer.settle({ state: TaskState.COMPLETED, message, inputs: consumed });
      return undefined;
    } catch (error) {
      if (!(error instanceof InputPendingError)) throw error;
    }
    // The client has said something that no turn has seen: these words are this turn's, and the next turn answers it.
    if (!call.recorded && message) {
      await writer.emit(
        statusEvent(subjectOf(run), taskStatus(TaskState.WORKING, new Date(), message)),
        call.record(null),
      );
      await writer.committed();
    }
    const row = await this.parts.journal.nextTurn(run.lease, {
      turnInput: consumed + 1,
      version: agent.card.version,
      words: message,
    });
    return this.parts.loader.load(row);
  }

  private async afterError(turn: RunTurn, agent: Agent, error: unknown): Promise<void> {
    const { run, writer, log } = turn;
    if (isReject(error) || isFail(error)) {
      const state = isReject(error) ? TaskState.REJECTED : TaskState.FAILED;
      const invalid = await this.settleAsAsked(run, writer, state, error.message);
      return invalid && this.afterError(turn, agent, invalid);
    }
    const errorId = randomUUID();
    const failures = run.attempt + 1;
    const final = isAuthorsFault(error) || isDelegationError(error) || failures >= agent.retry.attempts;
    const { version } = agent.card;
    log.error({ err: error, errorId, attempt: failures, final, version, recordedBy: run.agentVersion }, 'run.failed');
    if (final) {
      const metadata = { ...failureReason(error), errorId };
      return writer.settle(this.failure(run, `The agent failed. Error id: ${errorId}`, metadata));
    }
    await writer.committed();
    await this.retryLater(turn, agent, failures);
  }

  /** No failure of the handler's. */
  private async afterOutage(active: ActiveRun, log: RunLog, { cause }: DatabaseUnavailableError): Promise<void> {
    log.warn({ err: cause }, 'run.interrupted');
    // The lease of a run that began beside the acceptance of its task is there once that is committed. Where it is refused
    // there is none, and its caller has been told.
    const isAccepted = await active.accepted.then(
      () => true,
      () => false,
    );
    if (!isAccepted) return;
    await this.handBack(active, null, OUTAGE_PAUSE_MS);
  }

  private retryLater({ active }: Pick<RunTurn, 'active'>, { retry }: Agent, failures: number): Promise<void> {
    return this.handBack(active, failures, retryDelay(retry, failures));
  }

  /** Where the database is away it is asked again; where it takes nothing for the time of the lease, that runs out instead. */
  private async handBack(active: ActiveRun, failures: number | null, delayMs: number): Promise<void> {
    const { store, journal, config } = this.parts;
    for (;;) {
      try {
        await store.leases.handBack(store.leaseDb, active.lease, failures, delayMs);
        return journal.signalOutbox();
      } catch (error) {
        const isHeld = performance.now() - active.renewedAt < config.leaseMs;
        if (!(error instanceof DatabaseUnavailableError) || !isHeld) throw error;
      }
      await delay(HAND_BACK_PAUSE_MS, undefined, { ref: false });
    }
  }

  /** After a cancel the task is as it will stay; what is left is the author's clean-up outside, retried like a run. */
  private async cleanUp(run: ClaimedRun, agent: Agent, active: ActiveRun, log: RunLog): Promise<void> {
    const { store, loader, streams, config, agents, delegations } = this.parts;
    const writer = new RunWriter(run, store, streams, config);
    const turn = new RunTurn({ run, writer, active, log, store, loader, config, agent, agents, delegations });
    const task = canceledTask(new RunContext(turn));
    if (run.lost > config.maxLostWorkers) return store.leases.finish(store.db, run.lease);
    const timer = runTimer(agent, active);
    try {
      await outcome(() => agent.onCancel?.(task), active);
    } catch (error) {
      if (isStopped(active, error)) throw error;
      const failures = run.attempt + 1;
      log.error({ err: error, attempt: failures }, 'cancel.clean_up_failed');
      if (failures < agent.retry.attempts) return await this.retryLater(turn, agent, failures);
    } finally {
      clearTimeout(timer);
    }
    await store.leases.finish(store.db, run.lease);
  }

  /** Ends the task with the author's words; answers with what is wrong with them, where they cannot be used. */
  private async settleAsAsked(run: ClaimedRun, writer: RunWriter, state: TaskState, text: string) {
    try {
      const parts = partsOf(text === '' ? 'The agent gave no reason' : text);
      await writer.settle({ state, message: agentMessage(subjectOf(run), parts) });
    } catch (error) {
      if (error instanceof InvalidOutputError) return error;
      throw error;
    }
    return undefined;
  }

  private failure(run: ClaimedRun, text: string, metadata: Record<string, string>) {
    return { state: TaskState.FAILED, message: words(run, text, metadata) };
  }
}

/** Whether the run has to leave its task as it is: it was told to stop, or has lost its lease. */
function isStopped({ stopReason }: ActiveRun, error: unknown): boolean {
  return error instanceof LeaseLostError || stopReason instanceof RunAbortedError;
}

function runTimer({ timeoutMs }: Agent, active: ActiveRun): NodeJS.Timeout {
  return setTimeout(() => active.end(new RunTimeoutError(`the run took longer than ${timeoutMs} ms`)), timeoutMs);
}

/** What an operator can go by: which limit of time it was, or which setting holds the limit. */
function failureReason(error: unknown): Record<string, string> {
  if (error instanceof RunTimeoutError) return { reason: 'timeout' };
  if (error instanceof RunInactiveError) return { reason: 'inactivity' };
  if (error instanceof OverLimitError) return { reason: 'limit', setting: error.setting };
  if (isDelegationError(error)) return { reason: 'delegation', delegation: error.reason };
  return { reason: error instanceof NonDeterministicHandlerError ? 'non_deterministic' : 'error' };
}

/** A turn that goes on under another version than the one that began it: the journal has to fit both. */
function noteVersions({ records, agentVersion }: ClaimedRun, { card }: Agent, log: RunLog): void {
  if (records.length === 0 || agentVersion === null || agentVersion === card.version) return;
  log.info({ recordedBy: agentVersion, version: card.version }, 'run.other_version');
}

/** What a handler may see of a task that has ended: nothing to emit with. */
function canceledTask(context: RunContext): CanceledTask {
  const { id, contextId, tenant, principal, message, history, metadata, log, signal } = context;
  return { id, contextId, tenant, principal, message, history, metadata, log, signal };
}

/** What comes first: the handler's end, its rest, or the order to stop. */
function outcome<T>(handler: () => T, active: ActiveRun, waits?: RunWaits): Promise<Awaited<T> | Rest> {
  return new Promise((resolve, reject) => {
    active.whenStopped(reject);
    waits?.whenResting(resolve);
    // The handler's promise may outlive this one: its later failure concerns nobody.
    void Promise.resolve(handler()).then(resolve, reject);
  });
}

function closingWords(run: ClaimedRun, output: NonNullable<Awaited<ReturnType<Agent['run']>>>): Message {
  const { parts, metadata } = outputParts(output);
  return agentMessage(subjectOf(run), parts, metadata);
}

function words(run: ClaimedRun, text: string, metadata?: Record<string, string>): Message {
  return agentMessage(subjectOf(run), [create(PartSchema, { content: { case: 'text', value: text } })], metadata);
}

function subjectOf({ task }: ClaimedRun) {
  return { taskId: task.id, contextId: task.contextId };
}

function reasonOf(active: ActiveRun, error: unknown): string {
  const reason = active.stopReason ?? error;
  return reason instanceof Error ? reason.message : String(reason);
}
