import { create } from '@bufbuild/protobuf';
import { type Empty, EmptySchema, type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { type Agent, type AgentRegistry, canStream } from '#agents';
import { type Config } from '#platform';
import {
  A2AError,
  type A2AOperations,
  type CallContext,
  type CancelTaskRequest,
  type DeleteTaskPushNotificationConfigRequest,
  type GetTaskPushNotificationConfigRequest,
  type GetTaskRequest,
  isSettled,
  isTerminal,
  type ListTaskPushNotificationConfigsRequest,
  type ListTaskPushNotificationConfigsResponse,
  type ListTasksRequest,
  type ListTasksResponse,
  ListTasksResponseSchema,
  type Message,
  type SendMessageRequest,
  type SendMessageResponse,
  SendMessageResponseSchema,
  type Sequenced,
  type StreamResponse,
  type SubscribeToTaskRequest,
  type Task,
  type TaskPushNotificationConfig,
  TaskSchema,
  TaskState,
} from '#protocol';
import { type Store, type TaskFilter, type TaskKey } from '#store';
import { decodePageToken, encodePageToken } from './page-token.js';
import { type PushConfigs } from './push-configs.js';
import { assertPushes, checkHistoryLength, checkSend, isTaskId, namesTimes } from './send-request.js';
import { messageEvent, stateOf, taskEvent } from './task-events.js';
import { type TaskJournal } from './task-journal.js';
import { taskNotFound } from './task-not-found.js';
import { type TaskStreams } from './task-streams.js';
import { type SubmittedTask, type TaskSubmission } from './task-submission.js';
import { type TaskSubscription } from './task-subscription.js';
import { type TaskUpdate } from './task-update.js';
import { messageOf, type TaskViews } from './task-view.js';

type Updates = AsyncGenerator<Sequenced<StreamResponse>>;

const PAGE_SIZE = 50;

/** The eleven operations of A2A (specification section 3.1), the same for every binding. All of them fail with A2AError. */
export class TaskService implements A2AOperations {
  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly agents: AgentRegistry;
      readonly submission: TaskSubmission;
      readonly journal: TaskJournal;
      readonly streams: TaskStreams;
      readonly views: TaskViews;
      readonly pushConfigs: PushConfigs;
      readonly config: Pick<Config, 'maxPartsPerMessage' | 'pageSizeMax' | 'blockingTimeoutMs'>;
    },
  ) {}

  /** Answers when the task has ended or waits for the client; with `returnImmediately`, when it is accepted. */
  async sendMessage(request: SendMessageRequest, context: CallContext): Promise<SendMessageResponse> {
    const { agent, send } = this.checked(request, context, namesTimes(request) ? await this.now() : undefined);
    // Who asks for a later start does not ask for the end now.
    const answersNow = send.returnImmediately || send.schedule.startAt !== undefined;
    if (!answersNow) this.parts.streams.checkRoomToWait();
    const submitted = await this.parts.submission.submit(agent, send, context);
    if (submitted.kind === 'answer') return messageResponse(submitted.message);
    const { key } = submitted;
    const settled = answersNow ? undefined : this.settled(submitted, context.signal);
    submitted.start();
    await submitted.committed;
    tellSecret(submitted, context);
    context.waits?.();
    const task = settled ? await settled : submitted.task;
    return taskResponse(task ? withHistory(task, send.historyLength) : await this.read(key, send.historyLength));
  }

  /** The task, then its events as they come, until the task ends or asks for input. */
  async *sendStreamingMessage(request: SendMessageRequest, context: CallContext): Updates {
    assertStreams(this.agent(context));
    const { agent, send } = this.checked(request, context, namesTimes(request) ? await this.now() : undefined);
    const giveRoomBack = this.parts.streams.takeRoom(context.tenant);
    try {
      const submitted = await this.parts.submission.submit(agent, send, context);
      if (submitted.kind === 'answer') yield { sequence: 0, message: messageEvent(submitted.message) };
      else yield* this.submittedTask(submitted, send.historyLength, context);
    } finally {
      giveRoomBack();
    }
  }

  async getTask(request: GetTaskRequest, context: CallContext): Promise<Task> {
    const historyLength = checkHistoryLength(request.historyLength, 'historyLength');
    return this.read(await this.ownKey(request.id, context), historyLength);
  }

  async listTasks(request: ListTasksRequest, context: CallContext): Promise<ListTasksResponse> {
    const historyLength = checkHistoryLength(request.historyLength, 'historyLength');
    const pageSize = this.pageSize(request);
    const filter = filterOf(request, context);
    const after = request.pageToken === '' ? undefined : decodePageToken(filter, request.pageToken);
    const { tasks, db } = this.store;
    const [rows, totalSize] = await Promise.all([tasks.page(db, filter, pageSize + 1, after), tasks.count(db, filter)]);
    const page = rows.slice(0, pageSize);
    const last = page.at(-1);
    const nextPageToken = rows.length > pageSize && last ? encodePageToken(filter, last) : '';
    const artifacts = request.includeArtifacts ?? false;
    const shown = await this.parts.views.ofRows(page, { historyLength, artifacts });
    return create(ListTasksResponseSchema, { tasks: shown, nextPageToken, pageSize, totalSize });
  }

  async cancelTask(request: CancelTaskRequest, context: CallContext): Promise<Task> {
    const key = await this.ownKey(request.id, context);
    await this.parts.journal.cancel(key, this.agent(context));
    return this.read(key, undefined);
  }

  /** The task as it stands, then its events; after `lastEventId`, only the events that followed it, even of an ended task. */
  async *subscribeToTask(request: SubscribeToTaskRequest, context: CallContext): Updates {
    assertStreams(this.agent(context));
    const giveRoomBack = this.parts.streams.takeRoom(context.tenant);
    try {
      yield* this.subscribed(await this.ownKey(request.id, context), context);
    } finally {
      giveRoomBack();
    }
  }

  /**
   * Has a webhook told of the task's events from now on, also where it has ended. One of the same id gets other settings. Its
   * secret goes to `context.onWebhookSecret`, and is told once.
   */
  async createTaskPushNotificationConfig(
    request: TaskPushNotificationConfig,
    context: CallContext,
  ): Promise<TaskPushNotificationConfig> {
    const pushConfigs = this.pushConfigs(context);
    const checked = pushConfigs.check(request, '', context);
    const key = await this.ownKey(request.taskId, context);
    const { config, secret } = await pushConfigs.set(key, checked, context);
    context.onWebhookSecret?.(secret);
    return config;
  }

  async getTaskPushNotificationConfig(
    request: GetTaskPushNotificationConfigRequest,
    context: CallContext,
  ): Promise<TaskPushNotificationConfig> {
    const pushConfigs = this.pushConfigs(context);
    return pushConfigs.get({ ...(await this.ownKey(request.taskId, context)), id: request.id });
  }

  async listTaskPushNotificationConfigs(
    request: ListTaskPushNotificationConfigsRequest,
    context: CallContext,
  ): Promise<ListTaskPushNotificationConfigsResponse> {
    const pushConfigs = this.pushConfigs(context);
    const pageSize = request.pageSize === 0 ? this.parts.config.pageSizeMax : this.pageSize(request);
    return pushConfigs.list(await this.ownKey(request.taskId, context), { pageSize, pageToken: request.pageToken });
  }

  /** When it answers nothing is being sent to the webhook, and nothing will be; one that is not there is none to the same effect. */
  async deleteTaskPushNotificationConfig(
    request: DeleteTaskPushNotificationConfigRequest,
    context: CallContext,
  ): Promise<Empty> {
    const pushConfigs = this.pushConfigs(context);
    await pushConfigs.drop({ ...(await this.ownKey(request.taskId, context)), id: request.id }, context.signal);
    return create(EmptySchema);
  }

  async getExtendedAgentCard(): Promise<never> {
    throw new A2AError('UNSUPPORTED_OPERATION', { message: 'The agent has no extended agent card' });
  }

  private checked(request: SendMessageRequest, context: CallContext, now: number | undefined) {
    const agent = this.agent(context);
    return { agent, send: checkSend(request, context, agent, this.parts, now) };
  }

  /** First of all: who has none refuses all that is asked of them. */
  private pushConfigs(context: CallContext): PushConfigs {
    const { pushConfigs } = this.parts;
    assertPushes(this.agent(context));
    pushConfigs.assertOn();
    return pushConfigs;
  }

  /** Milliseconds since 1970, by the clock that decides when the task begins and ends. */
  private async now(): Promise<number> {
    return (await this.store.leases.now(this.store.db)).getTime();
  }

  private agent({ agent }: CallContext): Agent {
    const found = this.parts.agents.get(agent);
    if (!found) throw new A2AError('UNSUPPORTED_OPERATION', { message: 'There is no such agent' });
    return found;
  }

  /** The key of a task of this agent and tenant. Another's task is answered like one that is not there. */
  private async ownKey(id: string, { tenant, agent, namedTask }: CallContext): Promise<TaskKey> {
    for (const taskId of [id.toLowerCase(), namedTask]) {
      if (taskId === undefined || !isTaskId(taskId)) continue;
      const key = { tenantId: tenant, taskId };
      const row = await this.store.tasks.find(this.store.db, key);
      if (row?.agent === agent) return key;
    }
    throw taskNotFound(id);
  }

  private async read(key: TaskKey, historyLength: number | undefined): Promise<Task> {
    const view = await this.parts.views.read(key, historyLength);
    if (!view) throw taskNotFound(key.taskId);
    return view.task;
  }

  /** Waits until the task has settled after the submission, the caller is gone, or the longest wait is over. */
  private async settled({ key, sequence, task }: SubmittedTask, signal: AbortSignal): Promise<Task | undefined> {
    const { blockingTimeoutMs } = this.parts.config;
    const until = blockingTimeoutMs > 0 ? AbortSignal.any([signal, AbortSignal.timeout(blockingTimeoutMs)]) : signal;
    if (task) return this.parts.streams.settled(key, sequence, until);
    // What settled before the wait began is found in the row: a repeated call may ask for a task that ended long ago.
    const done = new AbortController();
    const settled = this.parts.streams.settled(key, sequence, AbortSignal.any([until, done.signal]));
    // Where the row cannot be read, the caller's own read says why.
    const row = await this.store.tasks.find(this.store.db, key).catch(() => undefined);
    if (!row || isSettled(row.state)) done.abort();
    return settled;
  }

  private async *subscribed(key: TaskKey, context: CallContext): Updates {
    const subscription = this.parts.streams.subscribe(key, 0);
    try {
      if (context.lastEventId === undefined) {
        yield* this.snapshot(key, subscription, undefined, 'refuse ended');
        yield* this.follow(subscription, context.signal);
      } else {
        // There may be nothing to tell for long.
        context.waits?.();
        yield* this.resume(key, subscription, context.lastEventId, context.signal);
      }
    } finally {
      subscription.close();
    }
  }

  private async *submittedTask(
    submitted: SubmittedTask,
    historyLength: number | undefined,
    context: CallContext,
  ): Updates {
    const { key, sequence, task } = submitted;
    const subscription = this.parts.streams.subscribe(key, sequence);
    submitted.start();
    try {
      await submitted.committed;
      tellSecret(submitted, context);
      if (task) yield { sequence, message: taskEvent(withHistory(task, historyLength)) };
      else if (yield* this.snapshot(key, subscription, historyLength)) return;
      yield* this.follow(subscription, context.signal);
    } finally {
      subscription.close();
    }
  }

  /** Yields the task as it stands and moves the subscription behind it. True where a stream of it would have ended. */
  private async *snapshot(
    key: TaskKey,
    subscription: TaskSubscription,
    historyLength: number | undefined,
    ended: 'show ended' | 'refuse ended' = 'show ended',
  ): AsyncGenerator<Sequenced<StreamResponse>, boolean> {
    const view = await this.parts.views.read(key, historyLength);
    if (!view) throw taskNotFound(key.taskId);
    const state = view.task.status?.state;
    if (state !== undefined && isTerminal(state) && ended === 'refuse ended') throw endedTask(key);
    subscription.skipTo(view.sequence);
    yield { sequence: view.sequence, message: taskEvent(view.task) };
    return closesStream(state);
  }

  private async *follow(subscription: TaskSubscription, signal: AbortSignal): Updates {
    for (let update = await subscription.next(signal); update; update = await subscription.next(signal)) {
      yield { sequence: update.sequence, message: update.response, json: update.text };
      if (closesStream(stateOf(update.response))) return;
    }
  }

  private async *resume(key: TaskKey, subscription: TaskSubscription, after: number, signal: AbortSignal): Updates {
    const row = await this.store.tasks.find(this.store.db, key);
    if (!row) throw taskNotFound(key.taskId);
    if (after > row.lastSequence)
      throw A2AError.invalidParams('Last-Event-ID', 'is beyond the newest event of the task');
    subscription.skipTo(after);
    if (isTerminal(row.state) && after === row.lastSequence) throw endedTask(key);
    // An INPUT_REQUIRED that was answered since then is no reason to stop: the stream goes on to where the task stands.
    for (let update = await subscription.next(signal); update; update = await subscription.next(signal)) {
      const message = await this.opened(key, update);
      yield { sequence: update.sequence, message, json: message === update.response ? update.text : undefined };
      if (closesStream(stateOf(update.response)) && update.sequence >= row.lastSequence) return;
    }
  }

  /** The log's first event is the task without its history; a stream opens with the message that made the task. */
  private async opened(key: TaskKey, { sequence, response }: TaskUpdate): Promise<StreamResponse> {
    if (sequence !== 1 || response.payload.case !== 'task') return response;
    const [first] = await this.store.log.messages(this.store.db, key);
    return taskEvent({ ...response.payload.value, history: first ? [messageOf(first.message)] : [] });
  }

  private pageSize({ pageSize }: { readonly pageSize?: number }): number {
    const { pageSizeMax } = this.parts.config;
    if (pageSize === undefined) return Math.min(PAGE_SIZE, pageSizeMax);
    if (pageSize < 1 || pageSize > pageSizeMax)
      throw A2AError.invalidParams('pageSize', `must be from 1 to ${pageSizeMax}`);
    return pageSize;
  }
}

function assertStreams(agent: Agent): void {
  if (canStream(agent)) return;
  throw new A2AError('UNSUPPORTED_OPERATION', { message: 'The agent does not stream: its card says so' });
}

/** A stream ends with its task, and where the task asks for input; it stays open while an authorisation is awaited. */
function closesStream(state: TaskState | undefined): boolean {
  return state !== undefined && (isTerminal(state) || state === TaskState.INPUT_REQUIRED);
}

function filterOf(request: ListTasksRequest, context: CallContext): TaskFilter {
  const { contextId, status, statusTimestampAfter } = request;
  if (TaskState[status] === undefined) throw A2AError.invalidParams('status', 'is not a state of a task');
  return {
    tenantId: context.tenant,
    agent: context.agent,
    contextId: contextId === '' ? undefined : contextId,
    state: status === TaskState.UNSPECIFIED ? undefined : status,
    statusTimestampAfter: statusTimestampAfter && checkedTime(statusTimestampAfter, 'statusTimestampAfter'),
  };
}

/** Timestamps go from the year 1 to 9999; on the wire of gRPC they may hold anything. */
function checkedTime(timestamp: Timestamp, field: string): Date {
  const date = timestampDate(timestamp);
  // Comparisons with NaN, the time of an impossible date, are false.
  if (!(date.getTime() >= Date.parse('0001-01-01T00:00:00Z') && date.getTime() < Date.UTC(10_000, 0)))
    throw A2AError.invalidParams(field, 'must be from year 1 to 9999');
  return date;
}

/** A copy with the newest `length` messages of the history; all without a length. */
function withHistory(task: Task, length: number | undefined): Task {
  if (length === undefined || length >= task.history.length) return task;
  return create(TaskSchema, { ...task, history: length === 0 ? [] : task.history.slice(-length) });
}

function taskResponse(task: Task): SendMessageResponse {
  return create(SendMessageResponseSchema, { payload: { case: 'task', value: task } });
}

function messageResponse(message: Message): SendMessageResponse {
  return create(SendMessageResponseSchema, { payload: { case: 'message', value: message } });
}

function endedTask({ taskId }: TaskKey): A2AError {
  return new A2AError('UNSUPPORTED_OPERATION', {
    message: 'The task has ended: there is nothing to follow',
    metadata: { taskId },
  });
}

function tellSecret({ webhookSecret }: SubmittedTask, { onWebhookSecret }: CallContext): void {
  if (webhookSecret !== undefined) onWebhookSecret?.(webhookSecret);
}
