import { randomUUID } from 'node:crypto';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Agent } from '#agents';
import { type Config, type Signals } from '#platform';
import {
  A2AError,
  applyEvent,
  isInterrupted,
  isTerminal,
  jsonText,
  type Message,
  MessageSchema,
  PartSchema,
  type Task,
  TaskSchema,
  TaskState,
  type TaskStatus,
  TaskStatusSchema,
} from '#protocol';
import {
  CommitterBusyError,
  IdempotencyKeyTakenError,
  type Lease,
  LeaseLostError,
  type Store,
  type TaskKey,
  type TaskRow,
  type WholeTaskRow,
} from '#store';
import { type CallRequest, type ClaimedRun, encodeRequest } from './claimed-run.js';
import { encodeEvent } from './encoded-event.js';
import { agentMessage, statusEvent, taskEvent, taskStatus, workingEvent } from './task-events.js';
import { newTaskId } from './task-id.js';
import { type TaskStreams, topicKey } from './task-streams.js';
import { taskTimes } from './task-view.js';

type Queryable = Parameters<Store['tasks']['lock']>[0];

/** Where runs are told to stop, by `tenant/task`. */
export const ABORT_SIGNALS = 'aborts';
/** Where the relay is told of new rows in the outbox. */
export const OUTBOX_SIGNALS = 'outbox';

/** An idempotency key with the hash of the request it came with. */
export interface IdempotencyClaim {
  readonly key: string;
  readonly requestHash: string;
}

/** A client's message with what decides where it goes. */
export interface Submission {
  readonly tenantId: string;
  readonly owner: string;
  readonly agent: Agent;
  readonly message: Message;
  readonly request: CallRequest;
  readonly idempotency: IdempotencyClaim | null;
  /** The id of the task, should the message make one; a new one where absent. */
  readonly taskId?: string;
  /** Holder of a reserved slot; null leaves the task to the queue. */
  readonly leaseOwner: string | null;
}

/** A task that was accepted, as of event 1, and the run that has begun with it, where its submitter reserved a slot. */
export interface NewTask {
  readonly key: TaskKey;
  readonly accepted: Task;
  readonly run?: ClaimedRun;
  /** Tells the watchers that the run has begun. */
  readonly announce?: () => void;
}

/** What became of a message to an existing task. */
export interface AcceptedInput {
  /** The newest event's number after the message was taken in. */
  readonly sequence: number;
  /** The lease under which the submitter's slot now has to run the task; undefined where something else runs it. */
  readonly lease?: Lease;
}

/**
 * The only code that changes tasks: events, task row, messages and jobs in one transaction each. What a run writes
 * under its lease goes through RunWriter; this is all that comes from outside of a run.
 */
export class TaskJournal {
  constructor(
    private readonly store: Store,
    private readonly streams: TaskStreams,
    private readonly signals: Signals,
    private readonly config: Pick<Config, 'leaseMs'>,
  ) {}

  /**
   * Commits a new task with its first message.
   * @throws IdempotencyKeyTakenError, TaskIdTakenError; A2AError RESOURCE_EXHAUSTED.
   */
  async create(submission: Submission): Promise<NewTask> {
    const { tenantId, owner, agent, request, leaseOwner } = submission;
    const at = new Date();
    const taskId = submission.taskId ?? newTaskId();
    const contextId = submission.message.contextId || randomUUID();
    const message = create(MessageSchema, { ...submission.message, taskId, contextId });
    const submitted = taskStatus(TaskState.SUBMITTED, at);
    const task = create(TaskSchema, { id: taskId, contextId, status: submitted, metadata: taskTimes(at, at) });
    const event = encodeEvent(taskEvent(task)).text;
    // The slot is reserved: the run begins with this commit. Should the worker die before it does, the lease ends.
    const start = leaseOwner === null ? undefined : encodeEvent(workingEvent({ taskId, contextId }, at));
    const deadline = agent.deadlineMs === undefined ? null : new Date(at.getTime() + agent.deadlineMs);
    const text = jsonText(MessageSchema, message);
    await this.store.committer
      .submit({
        kind: 'create',
        tenantId,
        taskId,
        contextId,
        owner,
        agent: agent.id,
        state: start ? TaskState.WORKING : TaskState.SUBMITTED,
        status: start?.status?.text ?? jsonText(TaskStatusSchema, submitted),
        event,
        startEvent: start?.text ?? null,
        message: text,
        request: encodeRequest(request),
        at,
        deadline,
        leaseOwner,
        idempotency: submission.idempotency,
      })
      .catch(asA2AError);
    task.history.push(message);
    const accepted = { ...task, history: [message], artifacts: [] };
    if (!start) {
      this.signalOutbox();
      return { key: { tenantId, taskId }, accepted };
    }
    applyEvent(task, start.response);
    const lease = { tenantId, taskId, token: 1 };
    const update = { sequence: 2, response: start.response, text: start.text };
    return {
      key: lease,
      accepted,
      announce: () => this.streams.publish(lease, [update]),
      run: {
        ...{ lease, owner, task, deadline, agent: agent.id, sequence: 2, createdAt: at, turn: 1, turnInput: 1 },
        ...{ inputs: [{ message, text, request }], records: [], attempt: 0, lost: 0 },
      },
    };
  }

  /**
   * Takes in a client's message to an existing task.
   * @throws A2AError when there is no such task, it has ended, or the message names another context.
   */
  async acceptInput(submission: Submission): Promise<AcceptedInput> {
    const key = { tenantId: submission.tenantId, taskId: submission.message.taskId };
    const accepted = await this.store.database.transaction(async (tx) => {
      const row = await this.lockOwn(tx, key, submission.agent);
      // First of all: a repeated call is answered like the first one, whatever has become of the task since.
      await this.claimKey(tx, row, submission);
      assertOpen(row, submission.message);
      return this.takeInput(tx, row, submission);
    });
    const { update, interrupted, queued } = accepted;
    if (update) this.streams.publish(key, [update]);
    if (interrupted) this.signals.publish(ABORT_SIGNALS, topicKey(key));
    if (queued) this.signalOutbox();
    return accepted;
  }

  /**
   * Cancels a task and fences off its run. Canceling a canceled task changes nothing.
   * @throws A2AError TASK_NOT_FOUND, TASK_NOT_CANCELABLE.
   */
  async cancel(key: TaskKey, agent: Agent): Promise<void> {
    const cleanUp = agent.onCancel !== undefined;
    await this.changeFromOutside(key, cleanUp, async (tx) => {
      const row = await this.lockOwn(tx, key, agent);
      if ((row.state as TaskState) === TaskState.CANCELED) return undefined;
      if (isTerminal(row.state)) {
        const message = 'The task has ended and cannot be canceled';
        throw new A2AError('TASK_NOT_CANCELABLE', { message, metadata: { taskId: row.id } });
      }
      return { row, status: taskStatus(TaskState.CANCELED, new Date()) };
    });
  }

  /** Ends a task as FAILED whoever runs it, with `reason` in the status message's metadata. A task that has ended stays as it is. */
  async fail(key: TaskKey, text: string, metadata: JsonObject): Promise<void> {
    await this.changeFromOutside(key, false, async (tx) => {
      const row = await this.store.tasks.lock(tx, key);
      if (!row || isTerminal(row.state)) return undefined;
      const part = create(PartSchema, { content: { case: 'text', value: text } });
      const message = agentMessage({ taskId: row.id, contextId: row.contextId }, [part], metadata);
      return { row, status: taskStatus(TaskState.FAILED, new Date(), message) };
    });
  }

  /** Begins the next turn of a run: its words go into the history, and the next client message begins the handler anew. */
  async nextTurn(lease: Lease, turnInput: number, words?: Message): Promise<WholeTaskRow> {
    return this.store.database.transaction(async (tx) => {
      const row = await this.store.tasks.lock(tx, lease);
      if (row?.leaseToken !== lease.token) throw new LeaseLostError(lease.tenantId, lease.taskId);
      if (words) await this.addAgentMessage(tx, row, words);
      await this.store.turns.nextTurn(tx, row, turnInput, words ? 1 : 0);
      return (await this.store.tasks.findWhole(tx, lease))!;
    });
  }

  /** Tells the relays that there are new jobs in the outbox. */
  signalOutbox(): void {
    this.signals.publish(OUTBOX_SIGNALS);
  }

  private async takeInput(tx: Queryable, row: TaskRow, submission: Submission) {
    const key = { tenantId: row.tenantId, taskId: row.id };
    const waiting = isInterrupted(row.state);
    const policy = submission.agent.followUps;
    if (!waiting && policy === 'reject') {
      const message = 'The agent takes no messages while it works on the task';
      throw new A2AError('UNSUPPORTED_OPERATION', { message, metadata: { taskId: row.id } });
    }
    const interrupted = !waiting && policy === 'interrupt';
    const starts = waiting || interrupted;
    const added = await this.addMessages(tx, row, submission);
    const at = new Date();
    const update = waiting ? workingUpdate(row, at) : undefined;
    const token = await this.store.turns.takeInput(tx, row, {
      ...{ added, at, newTurn: interrupted },
      start: starts ? { leaseOwner: submission.leaseOwner, leaseMs: this.config.leaseMs } : null,
      status: update && { state: TaskState.WORKING, text: update.text, event: update.event },
    });
    if (waiting) await this.store.tasks.moveCount(tx, row, TaskState.WORKING);
    const queued = starts && submission.leaseOwner === null;
    if (queued) await this.store.outbox.add(tx, key);
    const lease = starts && !queued ? { ...key, token } : undefined;
    return { sequence: row.lastSequence + (update ? 1 : 0), lease, update: update?.update, interrupted, queued };
  }

  /** A question that was asked in the status moves into the history with its answer. */
  private async addMessages(tx: Queryable, row: TaskRow, { message, request }: Submission): Promise<number> {
    const question = isInterrupted(row.state) ? questionOf(row) : undefined;
    if (question !== undefined) {
      const stored = { ordinal: row.messages + 1, input: null, message: question, request: null };
      await this.store.log.addMessage(tx, row, stored);
    }
    const added = question === undefined ? 1 : 2;
    const full = create(MessageSchema, { ...message, taskId: row.id, contextId: row.contextId });
    await this.store.log.addMessage(tx, row, {
      ordinal: row.messages + added,
      input: row.inputs + 1,
      message: jsonText(MessageSchema, full),
      request: encodeRequest(request),
    });
    return added;
  }

  private async addAgentMessage(tx: Queryable, row: TaskRow, message: Message): Promise<void> {
    const text = jsonText(MessageSchema, message);
    await this.store.log.addMessage(tx, row, { ordinal: row.messages + 1, input: null, message: text, request: null });
  }

  private async claimKey(tx: Queryable, row: TaskRow, { idempotency, owner, agent }: Submission): Promise<void> {
    if (!idempotency) return;
    const scope = { tenantId: row.tenantId, owner, agent: agent.id, key: idempotency.key };
    const record = { requestHash: idempotency.requestHash, taskId: row.id, response: null };
    if (!(await this.store.idempotency.add(tx, scope, record))) throw new IdempotencyKeyTakenError();
  }

  private async lockOwn(tx: Queryable, key: TaskKey, agent: Agent): Promise<TaskRow> {
    const row = await this.store.tasks.lock(tx, key);
    if (row?.agent !== agent.id) throw taskNotFound(key.taskId);
    return row;
  }

  private async changeFromOutside(
    key: TaskKey,
    runAfter: boolean,
    decide: (tx: Queryable) => Promise<{ row: TaskRow; status: TaskStatus } | undefined>,
  ): Promise<void> {
    const update = await this.store.database.transaction(async (tx) => {
      const decided = await decide(tx);
      if (!decided) return undefined;
      const { row, status } = decided;
      const response = statusEvent({ taskId: row.id, contextId: row.contextId }, status);
      const { text, at, status: led } = encodeEvent(response);
      const change = { state: status.state, status: led?.text ?? '', at, event: text };
      await this.store.tasks.changeFromOutside(tx, row, change, runAfter);
      if (runAfter) await this.store.outbox.add(tx, key);
      return { sequence: row.lastSequence + 1, response, text };
    });
    if (!update) return;
    this.streams.publish(key, [update]);
    this.signals.publish(ABORT_SIGNALS, topicKey(key));
    if (runAfter) this.signalOutbox();
  }
}

/** The answer for a task that is not there, and for one that is not the caller's. */
export function taskNotFound(taskId: string): A2AError {
  return new A2AError('TASK_NOT_FOUND', { metadata: { taskId } });
}

function assertOpen(row: TaskRow, message: Message): void {
  if (message.contextId !== '' && message.contextId !== row.contextId) {
    throw A2AError.invalidParams('message.contextId', 'is not the context of the task');
  }
  if (isTerminal(row.state)) {
    const text = 'The task has ended and takes no more messages';
    throw new A2AError('UNSUPPORTED_OPERATION', { message: text, metadata: { taskId: row.id } });
  }
}

function workingUpdate(row: TaskRow, at: Date) {
  const response = workingEvent({ taskId: row.id, contextId: row.contextId }, at);
  const { text, status: led } = encodeEvent(response);
  return {
    text: led?.text ?? '',
    event: text,
    update: { sequence: row.lastSequence + 1, response, text },
  };
}

/** The message of a stored status, as stored. */
function questionOf(row: TaskRow): string | undefined {
  const { message } = JSON.parse(row.status) as { message?: unknown };
  return message === undefined ? undefined : JSON.stringify(message);
}

function asA2AError(error: unknown): never {
  if (!(error instanceof CommitterBusyError)) throw error;
  throw new A2AError('RESOURCE_EXHAUSTED', { message: 'The server is busy', retryAfterMs: 1000, cause: error });
}
