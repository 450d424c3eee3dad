import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
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
import { type CheckedPushConfig } from './push-config-check.js';
import { type PushConfigs } from './push-configs.js';
import { isLonger } from './text-size.js';
import { agentMessage, statusEvent, taskEvent, taskStatus, workingEvent } from './task-events.js';
import { newTaskId } from './task-id.js';
import { NORMAL_PRIORITY } from './task-priority.js';
import { type TaskSchedule } from './task-schedule.js';
import { taskNotFound } from './task-not-found.js';
import { DELEGATION_SIGNALS } from './task-delegations.js';
import { type TaskStreams } from './task-streams.js';
import { taskTimes } from './task-view.js';
import { topicKey } from './topic-key.js';

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
  readonly schedule: TaskSchedule;
  /** 0 high, 1 normal, 2 low; undefined is normal. */
  readonly priority: number | undefined;
  /** The id of the task, should the message make one; a new one where absent. */
  readonly taskId?: string;
  /** Holder of a reserved slot; null leaves the task to the queue. */
  readonly leaseOwner: string | null;
  /** The webhook that is to be told of the task. */
  readonly push?: CheckedPushConfig;
}

/** A new task, as of event 1, and the run that begins with it, where its submitter has reserved a slot. */
export interface NewTask {
  readonly key: TaskKey;
  readonly task: Task;
  readonly run?: ClaimedRun;
  /** Resolves when the task is committed. */
  readonly committed: Promise<void>;
  /** Tells of the run once more: to those who watch the task only since its commit. */
  readonly announce: () => void;
  /** The secret of the webhook that has come with the message. */
  readonly webhookSecret?: string;
}

/** What became of a message to an existing task. */
export interface AcceptedInput {
  /** The newest event's number after the message was taken in. */
  readonly sequence: number;
  /** The lease under which the submitter's slot now has to run the task; undefined where something else runs it. */
  readonly lease?: Lease;
  /** The secret of the webhook that has come with the message. */
  readonly webhookSecret?: string;
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
    private readonly config: Pick<Config, 'leaseMs' | 'maxMessageBytes'>,
    private readonly pushConfigs: PushConfigs,
  ) {}

  /**
   * Makes a new task with its first message. Its commit fails with IdempotencyKeyTakenError, TaskIdTakenError or A2AError
   * RESOURCE_EXHAUSTED; those who watch the task by then are let go.
   */
  create(submission: Submission): NewTask {
    const { tenantId, owner, agent, request, leaseOwner } = submission;
    const at = new Date();
    const taskId = submission.taskId ?? newTaskId();
    const contextId = submission.message.contextId || randomUUID();
    const message = create(MessageSchema, { ...submission.message, taskId, contextId });
    const submitted = taskStatus(TaskState.SUBMITTED, at);
    const task = create(TaskSchema, { id: taskId, contextId, status: submitted, metadata: taskTimes(at, at) });
    const event = encodeEvent(taskEvent(task)).text;
    // The slot is reserved: the run begins beside this commit (docs/adr/0026). Should the worker die, the lease ends.
    const start = leaseOwner === null ? undefined : encodeEvent(workingEvent({ taskId, contextId }, at));
    const lease = { tenantId, taskId, token: 1 };
    const deadline = deadlineOf(submission, at);
    const text = this.messageText(message);
    const webhook = submission.push && this.pushConfigs.ofNewTask(lease, submission.push, owner);
    const announce = () => start && this.streams.publish(lease, [{ sequence: 2, ...start }]);
    const committed = this.store.committer
      .submit({
        kind: 'create',
        tenantId,
        taskId,
        contextId,
        owner,
        agent: agent.id,
        state: start ? TaskState.WORKING : TaskState.SUBMITTED,
        status: start?.status?.text ?? jsonText(TaskStatusSchema, submitted),
        events: start ? [event, start.text] : [event],
        message: text,
        request: encodeRequest(request),
        at,
        startAt: submission.schedule.startAt ?? null,
        deadline,
        agentVersion: agent.card.version,
        priority: submission.priority ?? NORMAL_PRIORITY,
        leaseOwner,
        idempotency: submission.idempotency,
        push: webhook?.config,
      })
      .then(
        () => (start ? announce() : this.signalOutbox()),
        (error: unknown) => {
          this.streams.abandon(lease);
          throw asA2AError(error);
        },
      );
    task.history.push(message);
    const accepted = { ...task, history: [message], artifacts: [] };
    const webhookSecret = webhook?.secret;
    if (!start) return { key: lease, task: accepted, committed, announce, webhookSecret };
    applyEvent(task, start.response);
    return {
      ...{ key: lease, task: accepted, committed, announce, webhookSecret },
      run: {
        ...{ lease, owner, task, deadline, agent: agent.id, sequence: 2, createdAt: at, turn: 1, turnInput: 1 },
        ...{ inputs: [{ message, text, request }], records: [], attempt: 0, lost: 0, accepted: committed },
        agentVersion: agent.card.version,
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
      const webhook = submission.push && (await this.addWebhook(tx, row, submission.push, submission.owner));
      const taken = await this.takeInput(tx, row, submission);
      return { ...taken, webhookSecret: webhook?.secret, hasWebhooks: row.hasWebhooks || webhook !== undefined };
    });
    const { update, interrupted, queued, hasWebhooks } = accepted;
    if (update) this.streams.publish(key, [update]);
    if (update && hasWebhooks) this.pushConfigs.arrivals.announce();
    if (interrupted) this.signals.publish(ABORT_SIGNALS, topicKey(key));
    if (queued) this.signalOutbox();
    return accepted;
  }

  /**
   * Cancels a task and fences off its run. Canceling a canceled task changes nothing.
   * @throws A2AError TASK_NOT_FOUND, TASK_NOT_CANCELABLE.
   */
  async cancel(key: TaskKey, agent: Pick<Agent, 'id' | 'onCancel'>): Promise<void> {
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

  /** Ends a task as FAILED, whoever runs it, that has not ended by its deadline. One that has, or has another deadline by now, stays as it is. */
  async failPastDeadline(key: TaskKey): Promise<void> {
    await this.changeFromOutside(key, false, async (tx) => {
      const row = await this.store.tasks.lock(tx, key);
      if (!row?.deadline || row.deadline > (await this.store.leases.now(tx))) return undefined;
      const part = create(PartSchema, {
        content: { case: 'text', value: 'The task was not finished by its deadline' },
      });
      const metadata = { reason: 'deadline' };
      const message = agentMessage({ taskId: row.id, contextId: row.contextId }, [part], metadata);
      return { row, status: taskStatus(TaskState.FAILED, new Date(), message) };
    });
  }

  /** Begins the next turn of a run: its words go into the history, and the next client message begins the handler anew. */
  async nextTurn(
    lease: Lease,
    { turnInput, version, words }: { readonly turnInput: number; readonly version: string; readonly words?: Message },
  ): Promise<WholeTaskRow> {
    return this.store.database.transaction(async (tx) => {
      const row = await this.store.tasks.lock(tx, lease);
      if (row?.leaseToken !== lease.token) throw new LeaseLostError(lease.tenantId, lease.taskId);
      if (words) await this.addAgentMessage(tx, row, words);
      await this.store.turns.nextTurn(tx, row, { turnInput, version, added: words ? 1 : 0 });
      return (await this.store.tasks.findWhole(tx, lease))!;
    });
  }

  /** Tells the relays that there are new jobs in the outbox. */
  signalOutbox(): void {
    this.signals.publish(OUTBOX_SIGNALS);
  }

  /** Before the message is taken in, so that it is told of what that leads to. */
  private addWebhook(tx: Queryable, row: TaskRow, checked: CheckedPushConfig, owner: string) {
    return this.pushConfigs.put(tx, row, { checked, owner, unnamed: row.id });
  }

  private async takeInput(tx: Queryable, row: TaskRow, submission: Submission) {
    const key = { tenantId: row.tenantId, taskId: row.id };
    const waiting = isInterrupted(row.state);
    const policy = submission.agent.followUps;
    if (!waiting && policy === 'reject') {
      const message = 'The agent takes no messages while it works on the task';
      throw new A2AError('UNSUPPORTED_OPERATION', { message, metadata: { taskId: row.id } });
    }
    const interrupted = !waiting && policy === 'interrupt' && !isScheduled(row);
    const starts = waiting || interrupted;
    const added = await this.addMessages(tx, row, submission);
    const at = new Date();
    const update = waiting ? workingUpdate(row, at) : undefined;
    const token = await this.store.turns.takeInput(tx, row, {
      ...{ added, at, newTurn: interrupted, version: submission.agent.card.version },
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
      message: this.messageText(full),
      request: encodeRequest(request),
    });
    return added;
  }

  /** @throws A2AError INVALID_PARAMS: a message is read by every run of its task. */
  private messageText(message: Message): string {
    const text = jsonText(MessageSchema, message);
    const { maxMessageBytes } = this.config;
    if (!isLonger(text, maxMessageBytes)) return text;
    throw A2AError.invalidParams('message', `has more than ${maxMessageBytes} bytes; that is the limit`);
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

  private async lockOwn(tx: Queryable, key: TaskKey, agent: Pick<Agent, 'id'>): Promise<TaskRow> {
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
      await this.store.delegations.hasten(tx, [key]);
      return { sequence: row.lastSequence + 1, response, text, hasWebhooks: row.hasWebhooks };
    });
    if (!update) return;
    this.streams.publish(key, [update]);
    if (update.hasWebhooks) this.pushConfigs.arrivals.announce();
    this.signals.publish(ABORT_SIGNALS, topicKey(key));
    this.signals.publish(DELEGATION_SIGNALS, topicKey(key));
    if (runAfter) this.signalOutbox();
  }
}

/** The agent's own limit counts from the start; the earlier one holds. */
function deadlineOf({ agent, schedule }: Submission, at: Date): Date | null {
  if (agent.deadlineMs === undefined) return schedule.deadline ?? null;
  const own = (schedule.startAt ?? at).getTime() + agent.deadlineMs;
  return new Date(Math.min(own, schedule.deadline?.getTime() ?? Infinity));
}

/** Whether the task is yet to begin, at a time that its client has set. */
function isScheduled({ state, leaseOwner, runAt }: TaskRow): boolean {
  return (state as TaskState) === TaskState.SUBMITTED && leaseOwner === null && runAt !== null && runAt > new Date();
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

function asA2AError(error: unknown): unknown {
  if (!(error instanceof CommitterBusyError)) return error;
  return new A2AError('RESOURCE_EXHAUSTED', { message: 'The server is busy', retryAfterMs: 1000, cause: error });
}
