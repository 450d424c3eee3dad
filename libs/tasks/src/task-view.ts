import {
  create,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  type Artifact,
  isoTime,
  type Message,
  MessageSchema,
  type StreamResponse,
  StreamResponseSchema,
  type Task,
  TaskSchema,
  TaskStatusSchema,
} from '#protocol';
import { type Store, type StoredEvent, type TaskKey, type TaskRow, type WholeTaskRow } from '#store';
import { ArtifactFold } from './artifact-fold.js';
import { topicKey } from './topic-key.js';

/** What of a task a caller wants to see. */
export interface ViewOptions {
  /** The newest so many messages; 0 for none, undefined for all. */
  readonly historyLength?: number;
  readonly artifacts: boolean;
}

/** A task as it stood after event `sequence`. */
export interface TaskView {
  readonly task: Task;
  readonly sequence: number;
}

const FOLD_PAGE = 1000;

/** Reads tasks: the row, the snapshot folded with the events after it, and the history. */
export class TaskViews {
  constructor(private readonly store: Store) {}

  /** The whole task, with the newest `historyLength` messages, or all. */
  async read(key: TaskKey, historyLength: number | undefined): Promise<TaskView | undefined> {
    const row = await this.store.tasks.findWhole(this.store.db, key);
    if (!row) return undefined;
    const [artifacts, history] = await Promise.all([
      this.artifactsOf(row),
      historyLength === 0 ? [] : this.history(row, historyLength),
    ]);
    return { task: taskOf(row, artifacts, history), sequence: row.lastSequence };
  }

  /** The tasks of a page, with one read of their histories. One that has changed meanwhile may be shown as it is now. */
  async ofRows(rows: readonly TaskRow[], options: ViewOptions): Promise<Task[]> {
    const [first] = rows;
    if (!first) return [];
    const ids = rows.map((row) => row.id);
    const { historyLength } = options;
    const histories =
      historyLength === 0
        ? new Map<string, string[]>()
        : await this.store.log.messagesOfEach(this.store.db, first.tenantId, ids, historyLength);
    const tasks: Task[] = [];
    for (const row of rows) {
      const history = (histories.get(row.id) ?? []).map(messageOf);
      const key = { tenantId: row.tenantId, taskId: row.id };
      const whole = options.artifacts ? await this.store.tasks.findWhole(this.store.db, key) : undefined;
      tasks.push(whole ? taskOf(whole, await this.artifactsOf(whole), history) : taskOf(row, [], history));
    }
    return tasks;
  }

  /** The artifacts of each of the rows, as they stood after its `lastSequence`. */
  async artifacts(rows: readonly WholeTaskRow[]): Promise<Artifact[][]> {
    const folds = rows.map((row) => new ArtifactFold(row));
    const byTask = new Map(folds.map((fold) => [topicKey(fold.position), fold]));
    for (let behind = folds; behind.some(({ isBehind }) => isBehind);) {
      behind = behind.filter(({ isBehind }) => isBehind);
      const positions = behind.map(({ position }) => position);
      const events = await this.store.log.eventsAfterEach(this.store.db, positions, FOLD_PAGE);
      for (const event of events) byTask.get(topicKey(event))!.take(event);
      // A log that ends before its row's number has no more to give.
      if (events.length === 0) break;
    }
    return folds.map(({ artifacts }) => artifacts);
  }

  private async artifactsOf(row: WholeTaskRow): Promise<Artifact[]> {
    return (await this.artifacts([row]))[0]!;
  }

  private async history(row: TaskRow, last?: number): Promise<Message[]> {
    const rows = await this.store.log.messages(this.store.db, { tenantId: row.tenantId, taskId: row.id }, last);
    return rows.map(({ message }) => messageOf(message));
  }
}

/** A stored event, parsed. */
export function responseOf({ event }: StoredEvent): StreamResponse {
  return parse(StreamResponseSchema, event);
}

/** A stored message, parsed. */
export function messageOf(text: string): Message {
  return parse(MessageSchema, text);
}

/** The task of a row, with what else belongs to it. */
export function taskOf(row: TaskRow, artifacts: Artifact[], history: Message[]): Task {
  return create(TaskSchema, {
    id: row.id,
    contextId: row.contextId,
    status: parse(TaskStatusSchema, row.status),
    artifacts,
    history,
    metadata: taskTimes(row.createdAt, row.lastModified),
  });
}

/** `createdAt` and `lastModified` as the timestamps extension puts them into a task's metadata. */
export function taskTimes(createdAt: Date, lastModified: Date): JsonObject {
  return { createdAt: isoTime(createdAt.getTime()), lastModified: isoTime(lastModified.getTime()) };
}

function parse<Desc extends DescMessage>(schema: Desc, text: string): MessageShape<Desc> {
  return fromJson(schema, JSON.parse(text) as JsonValue);
}
