import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { type Config } from '#platform';
import {
  applyEvent,
  jsonText,
  type Message,
  type StreamResponse,
  type Task,
  TaskSchema,
  type TaskState,
} from '#protocol';
import {
  type AppendWrite,
  type JournalRecord,
  DatabaseUnavailableError,
  LeaseLostError,
  SignalPendingError,
  type Store,
} from '#store';
import { InvalidOutputError } from './agent-output.js';
import { ArtifactSizes } from './artifact-sizes.js';
import { type ClaimedRun } from './claimed-run.js';
import { EmissionRate } from './emission-rate.js';
import { encodeEvent, type EncodedEvent } from './encoded-event.js';
import { OverLimitError } from './over-limit-error.js';
import { LARGEST_INLINE_RESULT, resultReference } from './result-reference.js';
import { statusEvent, taskStatus } from './task-events.js';
import { type TaskStreams } from './task-streams.js';
import { type TaskUpdate } from './task-update.js';
import { taskTimes } from './task-view.js';

/** Emissions of one run that may wait for their commit before the next has to wait for room. */
const WINDOW = 64;
/** Fewest events between two snapshots of a task that does not change its state; the gap doubles each time. */
const SNAPSHOT_GAP = 256;
/** How often a large result is written anew when the database does not take it, and the longest pause between. */
const RESULT_ATTEMPTS = 10;
const RESULT_PAUSE_MS = 1_000;

/** What bounds the output of a run. */
export type RunLimits = Pick<
  Config,
  | 'maxArtifactBytes'
  | 'maxEventBytes'
  | 'maxEventsPerSecond'
  | 'maxEventsPerTask'
  | 'maxPartsPerMessage'
  | 'maxResultBytes'
>;

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
  private last: Promise<void>;
  /** The settlement under way: nothing else is written until it is known whether it was the end. */
  private settling: Promise<void> | undefined;
  private readonly queue: (() => void)[] = [];
  private artifactsChanged = false;
  private nextSnapshot: number;
  private readonly rate: EmissionRate;
  private artifactSizes: ArtifactSizes | undefined;

  constructor(
    private readonly run: ClaimedRun,
    private readonly store: Store,
    private readonly streams: TaskStreams,
    private readonly config: RunLimits,
  ) {
    this.sequence = run.sequence;
    this.last = run.accepted ?? Promise.resolve();
    this.nextSnapshot = run.sequence + Math.max(SNAPSHOT_GAP, run.sequence);
    this.rate = new EmissionRate(config.maxEventsPerSecond);
  }

  get task(): Task {
    return this.run.task;
  }

  /** Emits an event. Resolves when the run's window has room for the next one. */
  async emit(response: StreamResponse, record?: JournalRecord): Promise<void> {
    await this.notSettling();
    this.assertMayRunAhead();
    const event = this.encoded(response);
    this.assertRoom(response);
    void this.append(event, record);
    await this.room();
  }

  /** Records what has no effect outside, such as a random number. Resolves when the run's window has room, like `emit`. */
  async note(record: JournalRecord): Promise<void> {
    await this.notSettling();
    this.assertMayRunAhead();
    void this.append(undefined, record);
    await this.room();
  }

  /** Records the result of a durable call. Resolves when it, and all before it, is committed. */
  async record(record: JournalRecord): Promise<void> {
    await this.notSettling();
    this.assertSize(`the result of ${record.kind} "${record.name}"`, record.value ?? '');
    await this.append(undefined, record);
    this.assertGoing();
  }

  /** The same for the result of a step. A large one gets a row of its own, which is there before its record. */
  async recordResult(record: JournalRecord): Promise<void> {
    const value = record.value ?? '';
    const bytes = Buffer.byteLength(value);
    const { maxResultBytes } = this.config;
    if (bytes > maxResultBytes) {
      const fact = `the result of step "${record.name}" has ${bytes} bytes; the limit is ${maxResultBytes}`;
      throw new OverLimitError(fact, 'PERDURE_MAX_RESULT', 'keep it elsewhere, and return where it is');
    }
    const isLarge = bytes > LARGEST_INLINE_RESULT;
    if (isLarge) await this.keepResult(record, value);
    await this.notSettling();
    await this.append(undefined, isLarge ? { ...record, value: resultReference(bytes) } : record);
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
    await this.end(() => this.commitSettlement(settlement));
  }

  /**
   * Ends the run in the middle of its turn: gives the lease back until `due`, or until more signals than these come, and
   * leaves the task as it is. False where more have come already: the lease is held still, for a run that starts over.
   */
  async suspend(due: Date | undefined, signals?: number): Promise<boolean> {
    let isPending = false;
    await this.end(async () => {
      const write = { ...this.write(undefined), release: true, due, signals };
      await this.store.committer.submit(write).catch((error: unknown) => {
        if (!(error instanceof SignalPendingError)) throw error;
        isPending = true;
      });
      this.ended = true;
    });
    return !isPending;
  }

  /** Like the committer, it waits out a database that is away for a moment: what the step has done was done once. */
  private async keepResult(record: JournalRecord, value: string): Promise<void> {
    const { lease } = this.run;
    for (let attempt = 1; ; attempt++) {
      await this.notSettling();
      try {
        if (await this.store.results.keep(this.store.db, lease, record, value)) return;
        throw new LeaseLostError(lease.tenantId, lease.taskId);
      } catch (error) {
        if (attempt < RESULT_ATTEMPTS && error instanceof DatabaseUnavailableError) {
          await delay(Math.min(20 * 2 ** attempt, RESULT_PAUSE_MS));
          continue;
        }
        this.failure ??= { error };
        throw error;
      }
    }
  }

  private async end(commit: () => Promise<void>): Promise<void> {
    await this.notSettling();
    await this.waitForRoom();
    this.settling = commit();
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
    const event = this.encoded(response);
    const write = this.write(event, settlement.record);
    const snapshot = this.artifactsChanged ? this.snapshot() : undefined;
    await this.store.committer.submit({ ...write, snapshot, release: true, inputs: settlement.inputs });
    this.ended = true;
    this.sequence++;
    this.take(response);
    this.task.metadata = taskTimes(this.run.createdAt, at);
    const seenAll = settlement.inputs !== undefined;
    const update = { sequence: this.sequence, response, text: event.text };
    this.streams.publish(this.run.lease, [update], seenAll ? this.task : undefined);
  }

  /** Appends without waiting: the next append's base is known before this one is committed. */
  private append(event: EncodedEvent | undefined, record?: JournalRecord): Promise<void> {
    const write = this.write(event, record);
    if (event) {
      this.sequence++;
      this.take(event.response);
    }
    const update = event && { sequence: this.sequence, response: event.response, text: event.text };
    const snapshot = this.sequence >= this.nextSnapshot ? this.scheduledSnapshot() : undefined;
    this.waiting++;
    this.last = this.store.committer.submit({ ...write, snapshot }).then(
      () => this.appended(update),
      (error: unknown) => this.appended(undefined, { error }),
    );
    return this.last;
  }

  private appended(update?: TaskUpdate, failure?: { readonly error: unknown }): void {
    this.failure ??= failure;
    if (update) this.streams.publish(this.run.lease, [update]);
    this.waiting--;
    // All of them: nothing new is written before they go on, and whoever is passed over here might wait for ever.
    if (this.waiting < WINDOW) for (const resolve of this.queue.splice(0)) resolve();
  }

  private write(event: EncodedEvent | undefined, record?: JournalRecord): AppendWrite {
    const { tenantId, taskId, token } = this.run.lease;
    return {
      kind: 'append',
      ...{ tenantId, taskId, token, base: this.sequence },
      at: event?.at ?? new Date(),
      events: event ? [event.text] : [],
      status: event?.status,
      journal: record && [record],
    };
  }

  private encoded(response: StreamResponse): EncodedEvent {
    const parts = partsIn(response);
    const { maxPartsPerMessage } = this.config;
    if (parts > maxPartsPerMessage) {
      throw new OverLimitError(`an event has ${parts} parts; the limit is ${maxPartsPerMessage}`, 'PERDURE_MAX_PARTS');
    }
    const event = encodeEvent(response);
    this.assertSize('an event', event.text);
    return event;
  }

  private take(response: StreamResponse): void {
    applyEvent(this.task, response);
    if (response.payload.case === 'artifactUpdate') this.artifactsChanged = true;
  }

  private assertRoom({ payload }: StreamResponse): void {
    const { maxEventsPerTask, maxEventsPerSecond, maxArtifactBytes } = this.config;
    // The last number is kept for the event that ends the task.
    if (this.sequence + 1 >= maxEventsPerTask) {
      throw new OverLimitError(`the task has ${this.sequence} events; that is the limit`, 'PERDURE_MAX_EVENTS');
    }
    if (!this.rate.take()) {
      const fact = `the run emits more than ${maxEventsPerSecond} events a second`;
      throw new OverLimitError(fact, 'PERDURE_MAX_EVENT_RATE', 'put more into each');
    }
    if (payload.case !== 'artifactUpdate') return;
    this.artifactSizes ??= new ArtifactSizes(this.task.artifacts);
    if (this.artifactSizes.take(payload.value, maxArtifactBytes)) return;
    const fact = `the artifacts of the task have more than ${maxArtifactBytes} bytes together; that is the limit`;
    throw new OverLimitError(fact, 'PERDURE_MAX_ARTIFACTS', 'keep them elsewhere, and emit where they are');
  }

  private assertMayRunAhead(): void {
    if (this.waiting < 4 * WINDOW) return;
    throw new InvalidOutputError('calls are not awaited, and too many are under way');
  }

  private async room(): Promise<void> {
    while (this.waiting >= WINDOW) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.assertGoing();
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

  private assertSize(what: string, text: string): void {
    const bytes = Buffer.byteLength(text);
    const { maxEventBytes } = this.config;
    if (bytes <= maxEventBytes) return;
    throw new OverLimitError(`${what} has ${bytes} bytes; the limit is ${maxEventBytes}`, 'PERDURE_MAX_EVENT');
  }

  private assertGoing(): void {
    if (this.failure) throw this.failure.error;
    if (this.ended) throw new LeaseLostError(this.run.lease.tenantId, this.run.lease.taskId);
  }
}

function partsIn({ payload }: StreamResponse): number {
  if (payload.case === 'artifactUpdate') return payload.value.artifact?.parts.length ?? 0;
  if (payload.case === 'statusUpdate') return payload.value.status?.message?.parts.length ?? 0;
  return 0;
}
