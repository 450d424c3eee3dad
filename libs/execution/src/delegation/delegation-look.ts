import { type DelegationProblem } from '#agents';
import { type Config, type Logger } from '#platform';
import { A2AError, isInterrupted, isSettled, type Task } from '#protocol';
import { type ClaimedDelegation, DelegationState, type Store } from '#store';
import { delegationSignal, type TaskSignals } from '#tasks';
import {
  answerOutcome,
  type DelegationOutcome,
  problemOutcome,
  statusName,
  taskOutcome,
} from './delegation-outcome.js';
import { type Peer, PeerError } from './peer.js';
import { retryDelay } from '../retry-delay.js';

const POLL = { attempts: Infinity, initialDelayMs: 1_000, maxDelayMs: 30_000 };
/** What was handed on to the client is looked at when its task ends; this is in case nobody told of that. */
const ASKED_MS = 5 * 60_000;

/** What looks after delegations. */
export interface LookParts {
  readonly store: Store;
  readonly taskSignals: TaskSignals;
  readonly config: Pick<Config, 'maxEventBytes' | 'peerOutageMs' | 'callbackPollMs'>;
  readonly logger: Logger;
}

/** How long to wait before the next look, after so many that brought nothing. */
export function pauseAfter(looks: number, maxDelayMs = POLL.maxDelayMs): number {
  return retryDelay({ ...POLL, maxDelayMs }, looks);
}

/** Whether the task has ended in the meantime. Any other refusal passes: a database that is away is one too. */
function isOver(error: unknown): boolean {
  return error instanceof A2AError && ['TASK_NOT_FOUND', 'UNSUPPORTED_OPERATION'].includes(error.reason);
}

/** Somebody else looks after the delegation now. */
class LookLostError extends Error {
  override readonly name = 'LookLostError';
}

/**
 * One look at one delegation, under its lease: does what is to be done next, and leaves it for the next look or closed.
 * Whatever was done outside before a crash is done again: the peer knows the message by its id.
 */
export class DelegationLook {
  private peerTask: string | null;
  /** Whether the peer calls when there is news. One that has only agreed to is given until the next look. */
  private willCall: boolean;

  constructor(
    private readonly parts: LookParts,
    private readonly delegation: ClaimedDelegation,
    private readonly peer: Peer,
    /** Waits for news of the peer's task; false where it cannot be watched, or there is no room for that. */
    private readonly watch: (id: string) => Promise<boolean>,
    private readonly signal: AbortSignal,
  ) {
    this.peerTask = delegation.peerTask;
    this.willCall = delegation.callsBack;
  }

  /** Never rejects. */
  async run(): Promise<void> {
    try {
      await this.step();
    } catch (error) {
      await this.afterError(error).catch((failure: unknown) => this.log(failure, 'delegation.look_failed'));
    }
  }

  private async step(): Promise<void> {
    const { state, isWanted, isPastDeadline, peerTask } = this.delegation;
    if (state === DelegationState.TELL) return this.tell(this.delegation.relays);
    if (!isWanted) return this.drop();
    if (state === DelegationState.ASKED) return this.waitForAnswer();
    if (isPastDeadline) return this.giveUp('deadline', 'the time for it is over');
    if (state === DelegationState.SEND) return this.send();
    return this.follow(await this.peer.task(peerTask!, this.signal));
  }

  private async send(): Promise<void> {
    const { answers, peerTask, looks } = this.delegation;
    // The question may have been answered on another way, or by a try that nobody lived to record.
    const asked = answers === null ? undefined : await this.peer.task(peerTask!, this.signal);
    if (asked && statusName(asked) !== answers) return this.take(asked);
    const found = looks > 1 ? await this.peer.find(this.signal) : undefined;
    if (found) return this.take(found);
    const answer = await this.peer.send(this.signal);
    if (answer.refusal) this.log(answer.refusal, 'delegation.callback_refused');
    if (!answer.task) return this.settle(answerOutcome(answer.message));
    this.willCall ||= answer.willCall ?? false;
    return this.take(answer.task);
  }

  /** The message has become part of a task. One of this server may have changed before its name was noted. */
  private async take(task: Task): Promise<void> {
    const { store } = this.parts;
    this.peerTask = task.id;
    this.assertHeld(await store.delegations.follow(store.db, this.delegation, task.id));
    await this.follow(this.delegation.isLocal ? await this.peer.task(task.id, this.signal) : task, 1);
  }

  private async follow(task: Task, looks = this.delegation.looks): Promise<void> {
    if (this.isNews(task)) return this.settleWith(task);
    const isWatched = !this.willCall && (await this.watch(task.id));
    const now = isWatched ? await this.peer.task(task.id, this.signal) : task;
    if (this.isNews(now)) return this.settleWith(now);
    const { callsBack } = this.delegation;
    await this.pause(pauseAfter(looks, callsBack ? this.parts.config.callbackPollMs : undefined));
  }

  private isNews(task: Task): boolean {
    const { answers } = this.delegation;
    return isSettled(task.status!.state) && (answers === null || statusName(task) !== answers);
  }

  private settleWith(task: Task): Promise<void> {
    return this.settle(taskOutcome(task), isInterrupted(task.status!.state));
  }

  private async settle(outcome: DelegationOutcome, isQuestion = false): Promise<void> {
    const { store, config } = this.parts;
    const text = JSON.stringify(outcome);
    const bytes = Buffer.byteLength(text);
    if (bytes > config.maxEventBytes) {
      const fact = `what came of it has ${bytes} bytes; the limit is ${config.maxEventBytes} (PERDURE_MAX_EVENT)`;
      return this.settle(problemOutcome('invalid', fact));
    }
    this.assertHeld(await store.delegations.settle(store.db, this.delegation, text, isQuestion));
    await this.tell(isQuestion && this.delegation.relays);
  }

  /** Wakes the call that waits. Until that is known to be done, it is done again. */
  private async tell(isRelayed: boolean): Promise<void> {
    const { taskSignals } = this.parts;
    const { id } = this.delegation;
    try {
      await taskSignals.deliverInternal(this.delegation, { name: delegationSignal(id), key: id });
    } catch (error) {
      if (!isOver(error)) throw error;
      return this.drop();
    }
    await (isRelayed ? this.waitForAnswer() : this.close());
  }

  private async waitForAnswer(): Promise<void> {
    const { store } = this.parts;
    await store.delegations.ask(store.db, this.delegation, ASKED_MS);
  }

  /** Nobody waits any more: the task has ended, began another turn, or was set back. */
  private async drop(): Promise<void> {
    await this.cancelPeer();
    await this.close();
  }

  private async giveUp(reason: DelegationProblem, text: string): Promise<void> {
    // Where the peer cannot be told now, its task ends by the deadline that it was given.
    await this.cancelPeer().catch((error: unknown) => this.log(error, 'delegation.not_canceled'));
    await this.settle(problemOutcome(reason, text));
  }

  private async cancelPeer(): Promise<void> {
    // Before anybody has noted that it was sent, the task may be there all the same.
    const id = this.peerTask ?? (this.delegation.looks > 1 ? (await this.peer.find(this.signal))?.id : undefined);
    if (id !== undefined) await this.peer.cancel(id, this.signal);
  }

  private async afterError(error: unknown): Promise<void> {
    if (error instanceof LookLostError) return;
    if (this.signal.aborted) return this.pause(0);
    if (!(error instanceof PeerError)) throw error;
    const { isWanted, failingMs, looks } = this.delegation;
    const mayPass = error.problem === 'unreachable' && failingMs <= this.parts.config.peerOutageMs;
    this.log(error, mayPass ? 'delegation.peer_unreachable' : 'delegation.failed');
    if (mayPass) return this.pause(pauseAfter(looks), true);
    return isWanted ? this.settle(problemOutcome(error.problem, error.message)) : this.close();
  }

  private async pause(delayMs: number, failed = false): Promise<void> {
    const { store } = this.parts;
    await store.delegations.pause(store.db, [{ lease: this.delegation, delayMs, failed }]);
  }

  private async close(): Promise<void> {
    const { store } = this.parts;
    await store.delegations.close(store.db, this.delegation);
  }

  private assertHeld(isHeld: boolean): void {
    if (!isHeld) throw new LookLostError('somebody else looks after the delegation');
  }

  private log(error: unknown, event: string): void {
    const { tenantId, taskId, id, peer } = this.delegation;
    this.parts.logger.warn({ err: error, tenant: tenantId, task: taskId, delegation: id, peer }, event);
  }
}
