import { type JsonObject } from '@bufbuild/protobuf';
import { type Message, type Task } from '#protocol';
import { type JournalRecord, type Lease, type Store, type WholeTaskRow } from '#store';
import { messageOf, taskOf, type TaskViews } from './task-view.js';

/** What a call brought along beside its message. */
export interface CallRequest {
  readonly metadata: JsonObject;
  readonly extensions: readonly string[];
}

/** A message of the client, with what its call brought along. */
export interface RunInput {
  readonly message: Message;
  /** The message in ProtoJSON, as stored. */
  readonly text: string;
  readonly request: CallRequest;
}

/** A task under a lease, with all that a run needs to go on from where the last one stopped. */
export interface ClaimedRun {
  readonly lease: Lease;
  readonly agent: string;
  readonly owner: string;
  /** The task as of event `sequence`, with artifacts and the whole history. The run's writer keeps it up to date. */
  readonly task: Task;
  readonly sequence: number;
  readonly createdAt: Date;
  readonly turn: number;
  /** Number of the client's message that began this turn. */
  readonly turnInput: number;
  /** The client's messages: number n stands at n - 1. */
  readonly inputs: RunInput[];
  /** What this turn has recorded. */
  readonly records: readonly JournalRecord[];
  /** Failures of the handler, and of workers under it, in this turn. */
  readonly attempt: number;
  readonly lost: number;
  readonly deadline: Date | null;
}

/** Reads what a claimed task needs to run. */
export class RunLoader {
  constructor(
    private readonly store: Store,
    private readonly views: TaskViews,
  ) {}

  async load(row: WholeTaskRow): Promise<ClaimedRun> {
    const key = { tenantId: row.tenantId, taskId: row.id };
    const [artifacts, messages, records] = await Promise.all([
      this.views.artifacts(row),
      this.store.log.messages(this.store.db, key),
      this.store.log.journal(this.store.db, key, row.turn),
    ]);
    const read = messages.map((stored) => ({ ...stored, text: stored.message, message: messageOf(stored.message) }));
    const task = taskOf(
      row,
      artifacts,
      read.map(({ message }) => message),
    );
    return {
      lease: { ...key, token: row.leaseToken },
      agent: row.agent,
      owner: row.owner,
      task,
      sequence: row.lastSequence,
      createdAt: row.createdAt,
      turn: row.turn,
      turnInput: row.turnInput,
      inputs: read
        .filter(({ input }) => input !== null)
        .map(({ message, text, request }) => ({ message, text, request: decodeRequest(request) })),
      records,
      attempt: row.attempt,
      lost: row.lost,
      deadline: row.deadline,
    };
  }

  /** The client's messages after the first `known`, with all that the history has gained since then. */
  async moreInputs(lease: Lease, known: number): Promise<{ inputs: RunInput[]; history: Message[] }> {
    const messages = await this.store.log.messages(this.store.db, lease);
    const inputs = messages
      .filter(({ input }) => input !== null && input > known)
      .map(({ message, request }) => ({
        message: messageOf(message),
        text: message,
        request: decodeRequest(request),
      }));
    return { inputs, history: messages.map(({ message }) => messageOf(message)) };
  }
}

/** As stored beside a message; null where the call brought nothing. */
export function encodeRequest({ metadata, extensions }: CallRequest): string | null {
  if (Object.keys(metadata).length === 0 && extensions.length === 0) return null;
  return JSON.stringify({ metadata, extensions });
}

function decodeRequest(text: string | null): CallRequest {
  return text === null ? { metadata: {}, extensions: [] } : (JSON.parse(text) as CallRequest);
}
