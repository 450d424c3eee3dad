import { create } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type Config } from '#platform';
import {
  applyEvent,
  jsonText,
  type Message,
  type StreamResponse,
  StreamResponseSchema,
  type Task,
  TaskSchema,
  type TaskState,
  TaskStatusSchema,
} from '#protocol';
import { type AppendWrite, type JournalRecord, LeaseLostError, type Store } from '#store';
import { InvalidOutputError } from './agent-output.js';
import { type ClaimedRun } from './claimed-run.js';
import { stateOf, statusEvent, taskStatus } from './task-events.js';
import { type TaskStreams } from './task-streams.js';
import { taskTimes } from './task-view.js';

/** Emissions of one run that may wait for their commit before the next has to wait for room. */
const WINDOW = 64;
/** Fewest events between two snapshots of a task that does not change its state; the gap doubles each time. */
const SNAPSHOT_GAP = 256;

/** How a run ends, or begins to wait. */
export interface Settlement {
  readonly state: TaskState;
  readonly message?: Message;
  readonly record?: JournalRecord;
  /** Settles only while the client has sent no more than this many messages. */
  readonly inputs?: number;
}

/**
 * The journal in the hands of one run: every event it emits and every result it records, under its lease. Emissions run
 * ahead of their commits; whatever fails to commit ends the run, and fails every later call.
 */
export class RunWriter {
  private sequence: number;
  private waiting = 0;
  private failure: { readonly error: unknown } | undefined;
  private ended = false;
  private last: Promise<void> = Promise.resolve();
  /** The settlement under way: nothing else is written until it is known whether it was the end. */
  private settling: Promise<void> | undefined;
  private readonly queue: (() => void)[] = [];
  private artifactsChanged = false;
  private nextSnapshot: number;

  constructor(
    private readonly run: ClaimedRun,
    private readonly store: Store,
    private readonly streams: TaskStreams,
    private readonly config: Pick<Config, 'maxEventBytes' | 'maxEventsPerTask'>,
  ) {
    this.sequence = run.sequence;
    this.nextSnapshot = run.sequence + Math.max(SNAPSHOT_GAP, run.sequence);
  }

  get task(): Task {
    return this.run.task;
  }

  /** Emits an event. Resolves when the run's window has room for the next one. */
  async emit(response: StreamResponse, record?: JournalRecord): Promise<void> {
    await this.notSettling();
    this.checkLimits(response);
    void this.append([response], record);
    while (this.waiting >= WINDOW) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.assertGoing();
  }

  /** Records the result of a durable call. Resolves when it, and all before it, is committed. */
  async record(record: JournalRecord): Promise<void> {
    await this.notSettling();
    this.assertSize(`the result of ${record.kind} "${record.name}"`, record.value ?? '');
    await this.append([], record);
    this.assertGoing();
  }

  /** Resolves when all that was emitted is committed. */
  async committed(): Promise<void> {
    await this.notSettling();
    await this.last;
    this.assertGoing();
  }

  /**
   * Ends the run with a terminal or interrupted state and gives the lease back, in one commit.
   * @throws InputPendingError when the client has sent more than `inputs` messages, InvalidOutputError when the message
   * is too large; the run may go on then.
   */
  async settle(settlement: Settlement): Promise<void> {
    await this.notSettling();
    await this.waitForRoom();
    this.settling = this.commitSettlement(settlement);
    try {
      await this.settling;
    } finally {
      this.settling = undefined;
    }
  }

  private async commitSettlement(settlement: Settlement): Promise<void> {
    const at = new Date();
    const status = taskStatus(settlement.state, at, settlement.message);
    const response = statusEvent({ taskId: this.task.id, contextId: this.task.contextId }, status);
    this.assertSize('an event', jsonText(StreamResponseSchema, response));
    const write = this.write([response], at, settlement.record);
    const snapshot = this.artifactsChanged ? this.snapshot() : undefined;
    await this.store.committer.submit({ ...write, snapshot, release: true, inputs: settlement.inputs });
    this.ended = true;
    this.sequence++;
    this.take(response);
    this.task.metadata = taskTimes(this.run.createdAt, at);
    const seenAll = settlement.inputs !== undefined;
    this.streams.publish(this.run.lease, [{ sequence: this.sequence, response }], seenAll ? this.task : undefined);
  }

  /** Appends without waiting: the next append's base is known before this one is committed. */
  private append(responses: StreamResponse[], record?: JournalRecord): Promise<void> {
    const write = this.write(responses, timeOf(responses), record);
    const first = this.sequence + 1;
    this.sequence += responses.length;
    for (const response of responses) this.take(response);
    const snapshot = this.sequence >= this.nextSnapshot ? this.scheduledSnapshot() : undefined;
    this.waiting++;
    const updates = responses.map((response, i) => ({ sequence: first + i, response }));
    this.last = this.store.committer
      .submit({ ...write, snapshot })
      .then(() => {
        if (updates.length > 0) this.streams.publish(this.run.lease, updates);
      })
      .catch((error: unknown) => {
        this.failure ??= { error };
      })
      .finally(() => {
        this.waiting--;
        // All of them: nothing new is written before they go on, and whoever is passed over here might wait for ever.
        if (this.waiting < WINDOW) for (const resolve of this.queue.splice(0)) resolve();
      });
    return this.last;
  }

  private write(responses: StreamResponse[], at: Date, record?: JournalRecord): AppendWrite {
    const { tenantId, taskId, token } = this.run.lease;
    const status = responses.map(statusOf).findLast((found) => found !== undefined);
    return {
      kind: 'append',
      ...{ tenantId, taskId, token, base: this.sequence, at },
      events: responses.map((response) => jsonText(StreamResponseSchema, response)),
      status,
      journal: record && [record],
    };
  }

  private take(response: StreamResponse): void {
    applyEvent(this.task, response);
    if (response.payload.case === 'artifactUpdate') this.artifactsChanged = true;
  }

  /** A snapshot costs as much as the task is large, so the gap to the next one doubles: each event pays a constant share. */
  private scheduledSnapshot(): string {
    this.nextSnapshot = this.sequence * 2;
    return this.snapshot();
  }

  private snapshot(): string {
    return jsonText(TaskSchema, create(TaskSchema, { artifacts: this.task.artifacts }));
  }

  private async notSettling(): Promise<void> {
    if (this.settling) await this.settling.catch(() => undefined);
    this.assertGoing();
  }

  private async waitForRoom(): Promise<void> {
    while (this.waiting >= WINDOW && !this.failure) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.assertGoing();
  }

  private checkLimits(response: StreamResponse): void {
    if (this.waiting >= 4 * WINDOW)
      throw new InvalidOutputError('emissions are not awaited, and too many are under way');
    this.assertSize('an event', jsonText(StreamResponseSchema, response));
    // The last number is kept for the event that ends the task.
    if (this.sequence + 1 >= this.config.maxEventsPerTask) {
      throw new InvalidOutputError(`the task has ${this.sequence} events; that is the limit (PERDURE_MAX_EVENTS)`);
    }
  }

  private assertSize(what: string, text: string): void {
    const bytes = Buffer.byteLength(text);
    const { maxEventBytes } = this.config;
    if (bytes <= maxEventBytes) return;
    throw new InvalidOutputError(`${what} has ${bytes} bytes; the limit is ${maxEventBytes} (PERDURE_MAX_EVENT)`);
  }

  private assertGoing(): void {
    if (this.failure) throw this.failure.error;
    if (this.ended) throw new LeaseLostError(this.run.lease.tenantId, this.run.lease.taskId);
  }
}

/** A write is as old as the status it tells of, so that lists are sorted by the times that clients see. */
function timeOf(responses: readonly StreamResponse[]): Date {
  const payload = responses.findLast(({ payload }) => payload.case === 'statusUpdate')?.payload;
  const timestamp = payload?.case === 'statusUpdate' ? payload.value.status?.timestamp : undefined;
  return timestamp ? timestampDate(timestamp) : new Date();
}

function statusOf(response: StreamResponse): { state: number; text: string } | undefined {
  const state = stateOf(response);
  if (state === undefined || response.payload.case !== 'statusUpdate' || !response.payload.value.status)
    return undefined;
  return { state, text: jsonText(TaskStatusSchema, response.payload.value.status) };
}
