import { type NewPushConfig } from './push-config.repository.js';

/** A task to insert with its first message and its first events, in one commit. */
export interface CreateWrite {
  readonly kind: 'create';
  readonly tenantId: string;
  readonly taskId: string;
  readonly agent: string;
  readonly contextId: string;
  readonly owner: string;
  /** TaskState by number. */
  readonly state: number;
  /** TaskStatus as ProtoJSON. */
  readonly status: string;
  /** Its first events, StreamResponses as ProtoJSON. */
  readonly events: readonly string[];
  /** The client's Message as ProtoJSON. */
  readonly message: string;
  /** Metadata and extensions of the call, as JSON. */
  readonly request: string | null;
  readonly at: Date;
  /** When the task becomes due, later than now; null: at once. Only without a holder. */
  readonly startAt: Date | null;
  /** Later than `startAt`. */
  readonly deadline: Date | null;
  /** The agent's own version, as its card has it. */
  readonly agentVersion: string;
  /** 0 high, 1 normal, 2 low. */
  readonly priority: number;
  /** Holder of the lease that the run starts under at once; null leaves the task to the queue. */
  readonly leaseOwner: string | null;
  readonly idempotency: { readonly key: string; readonly requestHash: string } | null;
  /** The webhook that comes with its message: its first event goes there too. */
  readonly push?: NewPushConfig;
}

/** A recorded result of a durable call. */
export interface JournalRecord {
  readonly turn: number;
  /** Path of the parallel branch or step that the call belongs to; empty in the handler itself. */
  readonly branch: string;
  readonly position: number;
  readonly kind: string;
  readonly name: string | null;
  /** JSON, or null for undefined. */
  readonly value: string | null;
}

/** What a run writes under its lease: events, the state they lead to, journal records. All of it or nothing is committed. */
export interface AppendWrite {
  readonly kind: 'append';
  readonly tenantId: string;
  readonly taskId: string;
  readonly token: number;
  /** Sequence of the newest event before this write; the holder of the lease is the only one who appends. */
  readonly base: number;
  /** StreamResponses as ProtoJSON, numbered base + 1, base + 2 … */
  readonly events: readonly string[];
  readonly at: Date;
  /** The status the events lead to, where they change it. */
  readonly status?: { readonly state: number; readonly text: string };
  /** Artifacts as they stand after the last of `events`. */
  readonly snapshot?: string;
  readonly journal?: readonly JournalRecord[];
  /** Ends the run: no holder, and nothing due but at `due`. */
  readonly release?: boolean;
  /** With `release`: when the next run is due, with a job for the queue. */
  readonly due?: Date;
  /** Commits only while the task has just so many client messages. */
  readonly inputs?: number;
  /** With `release`: waits for a signal, and commits only while just so many have come to the task. */
  readonly signals?: number;
}

export type Write = CreateWrite | AppendWrite;

/** The lease is gone: a newer claim, a cancel or the end of the task has raised the token. Nothing was written. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';

  constructor(tenantId: string, taskId: string) {
    super(`The lease on task ${tenantId}/${taskId} is lost`);
  }
}

/** The client has sent a message that the run has not seen. Nothing was written. */
export class InputPendingError extends Error {
  override readonly name = 'InputPendingError';
}

/** A signal has come that the run has not seen. Nothing was written. */
export class SignalPendingError extends Error {
  override readonly name = 'SignalPendingError';
}

/** There is a task of that id already. Nothing was written. */
export class TaskIdTakenError extends Error {
  override readonly name = 'TaskIdTakenError';
}

/** The idempotency key is taken. Nothing was written. */
export class IdempotencyKeyTakenError extends Error {
  override readonly name = 'IdempotencyKeyTakenError';
}

/** The committer's queue is full. Nothing was written. */
export class CommitterBusyError extends Error {
  override readonly name = 'CommitterBusyError';
}
