import { type JsonObject } from '@bufbuild/protobuf';
import { type Artifact, type Message, type Task } from '#protocol';
import {
  type JournalRecord,
  type Lease,
  LeaseLostError,
  type Store,
  type StoredMessage,
  type TaskKey,
  type WholeTaskRow,
} from '#store';
import { isResultReference } from './result-reference.js';
import { topicKey } from './topic-key.js';
import { messageOf, taskOf, type TaskViews } from './task-view.js';

/** What a call brought along beside its message. */
export interface CallRequest {
  readonly metadata: JsonObject;
  readonly extensions: readonly string[];
  /** The caller's span, as W3C Trace Context writes it. */
  readonly traceparent?: string;
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
  /** The version of the agent that began the turn; null where that was not noted. */
  readonly agentVersion: string | null;
  /** The commit that accepts the task, where it may be under way: the run begins beside it. */
  readonly accepted?: Promise<void>;
}

/** Reads what a claimed task needs to run. */
export class RunLoader {
  constructor(
    private readonly store: Store,
    private readonly views: TaskViews,
  ) {}

  async load(row: WholeTaskRow): Promise<ClaimedRun> {
    return (await this.loadAll([row]))[0]!;
  }

  /** Many at once, with as many reads as for one. */
  async loadAll(rows: readonly WholeTaskRow[]): Promise<ClaimedRun[]> {
    const { db, log } = this.store;
    const turns = rows.map(({ tenantId, id, turn }) => ({ tenantId, taskId: id, turn }));
    const [artifacts, messages, records] = await Promise.all([
      this.views.artifacts(rows),
      log.messagesOfAll(db, turns).then(byTask),
      log.journals(db, turns).then(byTask),
    ]);
    return rows.map((row, i) => {
      const name = topicKey(turns[i]!);
      return claimedRun(row, {
        artifacts: artifacts[i]!,
        messages: messages.get(name) ?? [],
        records: records.get(name) ?? [],
      });
    });
  }

  /**
   * The task as it is now, for a run that starts over under its lease.
   * @throws LeaseLostError where it is gone.
   */
  async reload(lease: Lease): Promise<ClaimedRun> {
    const row = await this.store.tasks.findWhole(this.store.db, lease);
    if (row?.leaseToken !== lease.token) throw new LeaseLostError(lease.tenantId, lease.taskId);
    return this.load(row);
  }

  /** What a step has recorded as its result, JSON or null for undefined, wherever it stands. */
  async result(lease: Lease, record: JournalRecord): Promise<string | null> {
    if (!isResultReference(record.value)) return record.value;
    const result = await this.store.results.find(this.store.db, lease, record);
    if (result === undefined) throw new Error(`the recorded result of ${record.kind} "${record.name}" is gone`);
    return result;
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

function claimedRun(
  row: WholeTaskRow,
  { artifacts, messages, records }: { artifacts: Artifact[]; messages: StoredMessage[]; records: JournalRecord[] },
): ClaimedRun {
  const read = messages.map((stored) => ({ ...stored, text: stored.message, message: messageOf(stored.message) }));
  const history = read.map(({ message }) => message);
  return {
    lease: { tenantId: row.tenantId, taskId: row.id, token: row.leaseToken },
    agent: row.agent,
    owner: row.owner,
    task: taskOf(row, artifacts, history),
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
    agentVersion: row.agentVersion,
  };
}

function byTask<Row extends TaskKey>(rows: readonly Row[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const name = topicKey(row);
    const others = found.get(name);
    if (others) others.push(row);
    else found.set(name, [row]);
  }
  return found;
}

/** As stored beside a message; null where the call brought nothing. */
export function encodeRequest({ metadata, extensions, traceparent }: CallRequest): string | null {
  if (Object.keys(metadata).length === 0 && extensions.length === 0 && traceparent === undefined) return null;
  return JSON.stringify({ metadata, extensions, traceparent });
}

/** What {@link encodeRequest} has stored. */
export function decodeRequest(text: string | null): CallRequest {
  return text === null ? { metadata: {}, extensions: [] } : (JSON.parse(text) as CallRequest);
}
