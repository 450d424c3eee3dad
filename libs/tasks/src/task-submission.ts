import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Agent } from '#agents';
import { type Config } from '#platform';
import { A2AError, type CallContext, jsonText, type Message, MessageSchema, type Task } from '#protocol';
import {
  IdempotencyKeyTakenError,
  type IdempotencyRecord,
  type IdempotencyScope,
  type Store,
  TaskIdTakenError,
  type TaskKey,
} from '#store';
import { type ClaimedRun, type RunLoader } from './claimed-run.js';
import { answerDirectly } from './direct-answers.js';
import { type EagerStart, type ReservedSlot } from './eager-start.js';
import { type CheckedPushConfig } from './push-config-check.js';
import { type PushConfigs } from './push-configs.js';
import { type SendRequest } from './send-request.js';
import { type Submission, type TaskJournal } from './task-journal.js';
import { refusePriority } from './task-priority.js';
import { refuseSchedule } from './task-schedule.js';
import { type TenantBacklog } from './tenant-backlog.js';

/** How long a new task may wait for a slot before it is accepted without one, with and without a sender that waits for its end. */
const PATIENCE_MS = { blocking: 500, others: 50 };

/** What a message has led to: an answer without a task, or a task. */
export type Submitted = { readonly kind: 'answer'; readonly message: Message } | SubmittedTask;

/** A task that a message has led to, as of event `sequence`. */
export interface SubmittedTask {
  readonly kind: 'task';
  readonly key: TaskKey;
  readonly sequence: number;
  /** The task as it was accepted, where it is new. */
  readonly task?: Task;
  /** The commit that accepts it, where it may be under way. */
  readonly committed?: Promise<void>;
  /** Starts the run that the submission has claimed, where it has; the caller does so once it watches the task. */
  readonly start: () => void;
  /** The secret of the webhook that has come with the message. */
  readonly webhookSecret?: string;
}

/** Brings a message to where it belongs: `respond`, a new task, an existing one, or what its idempotency key stands for. */
export class TaskSubmission {
  constructor(
    private readonly store: Store,
    private readonly parts: {
      readonly journal: TaskJournal;
      readonly eager: EagerStart;
      readonly backlog: TenantBacklog;
      readonly loader: RunLoader;
      readonly pushConfigs: PushConfigs;
    },
    private readonly config: Pick<Config, 'maxEventBytes' | 'maxPartsPerMessage'>,
  ) {}

  async submit(agent: Agent, send: SendRequest, context: CallContext): Promise<Submitted> {
    const earlier = await this.earlier(agent, send, context);
    if (earlier) return earlier;
    return this.place(agent, context.namedTask === undefined ? send : await this.addressed(send, context), context);
  }

  private async place(agent: Agent, send: SendRequest, context: CallContext): Promise<Submitted> {
    try {
      const later = send.schedule.startAt !== undefined;
      const message = later ? undefined : await answerDirectly(agent, send, context, this.config);
      if (message) return await this.keepAnswer(agent, send, context, message);
      return await this.withSlot(agent, send, context, (slot) => this.accept(agent, send, context, slot));
    } catch (error) {
      // Another message made the task of that name in the meantime: this one goes to it.
      if (error instanceof TaskIdTakenError) return this.place(agent, await this.addressed(send, context), context);
      const raced = error instanceof IdempotencyKeyTakenError && (await this.earlier(agent, send, context));
      if (raced) return raced;
      throw error;
    }
  }

  /** A message that names no task goes to the one that its sender knows by a name, where that exists. */
  private async addressed(send: SendRequest, { tenant, namedTask }: CallContext): Promise<SendRequest> {
    if (namedTask === undefined || send.message.taskId !== '') return send;
    const row = await this.store.tasks.find(this.store.db, { tenantId: tenant, taskId: namedTask });
    return row ? { ...send, message: create(MessageSchema, { ...send.message, taskId: namedTask }) } : send;
  }

  /**
   * Reserves a slot for the time of the acceptance, unless the task begins later; `work` keeps it by calling `start`, and
   * anything else gives it back.
   */
  private async withSlot(
    agent: Agent,
    send: SendRequest,
    { tenant }: CallContext,
    work: (slot?: ReservedSlot) => Promise<Submitted & { runs: boolean }>,
  ): Promise<Submitted> {
    const later = send.schedule.startAt !== undefined;
    const free = later ? undefined : this.parts.eager.reserve(agent, tenant);
    // A message to a task that is there waits for nothing: it is taken in, whether or not the task goes on at once.
    if (!free && send.message.taskId === '') return this.withoutFreeSlot(agent, send, tenant, work);
    return withReserved(free, work);
  }

  /** A new task waits for a slot for a moment, else in the backlog. */
  private async withoutFreeSlot(
    agent: Agent,
    { schedule, returnImmediately }: SendRequest,
    tenant: string,
    work: (slot?: ReservedSlot) => Promise<Submitted & { runs: boolean }>,
  ): Promise<Submitted> {
    const patienceMs = returnImmediately ? PATIENCE_MS.others : PATIENCE_MS.blocking;
    const slot = schedule.startAt ? undefined : await this.parts.eager.reserveWithin(agent, tenant, patienceMs);
    if (slot) return withReserved(slot, work);
    const settle = await this.parts.backlog.admit(tenant);
    try {
      const submitted = await work();
      const committed = submitted.kind === 'task' ? submitted.committed : undefined;
      void Promise.resolve(committed).then(
        () => settle(true),
        () => settle(false),
      );
      return submitted;
    } catch (error) {
      settle(false);
      throw error;
    }
  }

  private async accept(agent: Agent, send: SendRequest, context: CallContext, slot?: ReservedSlot) {
    const submission: Submission = {
      ...{ tenantId: context.tenant, owner: context.principal, agent, message: send.message },
      ...{ request: send.call, idempotency: send.idempotency, leaseOwner: slot?.owner ?? null },
      taskId: context.namedTask,
      schedule: send.schedule,
      priority: send.priority,
      push: send.push,
    };
    if (send.message.taskId !== '') return this.acceptInput(submission, slot);
    const { key, task, committed, run, announce, webhookSecret } = this.parts.journal.create(submission);
    // A key or a name may turn out to stand for an earlier task. Else the run begins beside the commit: most often what
    // it writes first is committed together with the task.
    const isAwaited = submission.idempotency !== null || submission.taskId !== undefined;
    if (isAwaited) await committed;
    const start = () => {
      if (isAwaited) announce();
      if (run) slot?.start(run);
    };
    const runs = run !== undefined;
    return { kind: 'task' as const, key, sequence: 1, task, committed, start, runs, webhookSecret };
  }

  private async acceptInput(submission: Submission, slot?: ReservedSlot) {
    refuseSchedule(submission.schedule);
    refusePriority(submission.priority);
    const key = { tenantId: submission.tenantId, taskId: submission.message.taskId.toLowerCase() };
    const { sequence, lease, webhookSecret } = await this.parts.journal.acceptInput({
      ...submission,
      message: { ...submission.message, taskId: key.taskId },
    });
    // The message is accepted, whatever happens now: a lease that nothing runs under ends, and the task is taken up then.
    const run = lease && slot ? await this.claimed(key, lease.token).catch(() => undefined) : undefined;
    const start = () => run && slot?.start(run);
    return { kind: 'task' as const, key, sequence, start, runs: run !== undefined, webhookSecret };
  }

  /** Undefined where the lease is gone already: then its new holder runs the task. */
  private async claimed(key: TaskKey, token: number): Promise<ClaimedRun | undefined> {
    const row = await this.store.tasks.findWhole(this.store.db, key);
    return row?.leaseToken === token ? this.parts.loader.load(row) : undefined;
  }

  private async keepAnswer(
    agent: Agent,
    send: SendRequest,
    context: CallContext,
    message: Message,
  ): Promise<Submitted> {
    if (send.idempotency) {
      const { key, requestHash } = send.idempotency;
      const record = { requestHash, taskId: null, response: jsonText(MessageSchema, message) };
      const added = await this.store.idempotency.add(this.store.db, scopeOf(agent, context, key), record);
      if (!added) throw new IdempotencyKeyTakenError();
    }
    return { kind: 'answer', message };
  }

  /** What the call's idempotency key stands for already. */
  private async earlier(
    agent: Agent,
    { idempotency, push }: SendRequest,
    context: CallContext,
  ): Promise<Submitted | undefined> {
    if (!idempotency) return undefined;
    const record = await this.store.idempotency.find(this.store.db, scopeOf(agent, context, idempotency.key));
    if (!record) return undefined;
    if (record.requestHash !== idempotency.requestHash) {
      throw A2AError.invalidParams('Idempotency-Key', 'was used before for another request');
    }
    return this.submittedBefore(record, context, push);
  }

  private async submittedBefore(
    record: IdempotencyRecord,
    { tenant }: CallContext,
    push: CheckedPushConfig | undefined,
  ): Promise<Submitted | undefined> {
    if (record.taskId === null) {
      const message = fromJson(MessageSchema, JSON.parse(record.response ?? '{}') as JsonValue);
      return { kind: 'answer', message };
    }
    const key = { tenantId: tenant, taskId: record.taskId };
    const row = await this.store.tasks.find(this.store.db, key);
    if (!row) return undefined;
    // The answer that had it may be the one that was lost.
    const webhookSecret = push && (await this.parts.pushConfigs.secretOf({ ...key, id: push.id || key.taskId }));
    return { kind: 'task', key, sequence: row.lastSequence, start: () => undefined, webhookSecret };
  }
}

async function withReserved(
  slot: ReservedSlot | undefined,
  work: (slot?: ReservedSlot) => Promise<Submitted & { runs: boolean }>,
): Promise<Submitted> {
  let runs = false;
  try {
    const submitted = await work(slot);
    runs = submitted.runs;
    return submitted;
  } finally {
    if (!runs) slot?.release();
  }
}

function scopeOf(agent: Agent, context: CallContext, key: string): IdempotencyScope {
  return { tenantId: context.tenant, owner: context.principal, agent: agent.id, key };
}
