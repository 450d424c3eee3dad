import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { applyEvent, StreamResponseSchema, type Task, TaskSchema } from '#protocol';
import { type Store, type StoredEvent, type TaskKey } from '#store';

const PAGE = 200;
/** So many bytes of events are kept folded for the deliveries that come next. */
const KEPT_BYTES = 16 * 1024 * 1024;

/** A task at one of its events, as a push config is to see it. */
export interface FoldPlace extends TaskKey {
  readonly configUid: string;
  readonly sequence: number;
}

/**
 * Tasks as they stood right after one of their events, made of their log alone, so that every look at the same event gives the
 * same. Deliveries of a config come in order: its last fold is kept for a while, and the next one goes on from there.
 */
export class TaskFolds {
  /** By config, the one that was used last at the end. */
  private readonly kept = new Map<string, TaskFold>();
  private keptBytes = 0;

  constructor(
    private readonly store: Pick<Store, 'db' | 'log'>,
    private readonly maxTaskBytes: number,
  ) {}

  /** What `use` makes of the task; it must not keep it. History is no part of it. */
  async read<T>(place: FoldPlace, use: (task: Task) => T): Promise<T> {
    const fold = this.take(place);
    await this.advance(fold, place);
    const result = use(fold.task);
    this.keep(place.configUid, fold);
    return result;
  }

  /** Whoever works on a fold has it alone: another look at the same task meanwhile begins anew. */
  private take({ configUid, sequence }: FoldPlace): TaskFold {
    const kept = this.kept.get(configUid);
    if (!kept || kept.sequence > sequence) return new TaskFold(this.maxTaskBytes);
    this.drop(configUid, kept);
    return kept;
  }

  private async advance(fold: TaskFold, { tenantId, taskId, sequence }: FoldPlace): Promise<void> {
    const { db, log } = this.store;
    while (fold.sequence < sequence) {
      const limit = Math.min(PAGE, sequence - fold.sequence);
      const events = await log.eventsAfter(db, { tenantId, taskId }, fold.sequence, limit);
      if (events.length === 0) throw new Error(`the log of task ${taskId} ends before event ${sequence}`);
      for (const event of events) fold.take(event);
    }
  }

  private keep(configUid: string, fold: TaskFold): void {
    const other = this.kept.get(configUid);
    if (other) this.drop(configUid, other);
    this.kept.set(configUid, fold);
    this.keptBytes += fold.bytes;
    for (const [oldest, first] of this.kept) {
      if (this.keptBytes <= KEPT_BYTES) return;
      this.drop(oldest, first);
    }
  }

  private drop(configUid: string, fold: TaskFold): void {
    this.kept.delete(configUid);
    this.keptBytes -= fold.bytes;
  }
}

/** A task, folded up to an event. */
class TaskFold {
  readonly task = create(TaskSchema);
  sequence = 0;
  private artifactBytes = 0;
  private otherBytes = 0;

  constructor(private readonly maxTaskBytes: number) {}

  /** How much it takes at most. */
  get bytes(): number {
    return this.otherBytes + (this.hasArtifacts ? this.artifactBytes : 0);
  }

  take({ sequence, event }: StoredEvent): void {
    const response = fromJson(StreamResponseSchema, JSON.parse(event) as JsonValue);
    const { payload } = response;
    if (payload.case === 'artifactUpdate') this.artifactBytes += event.length;
    else this.otherBytes = event.length;
    if (payload.case !== 'artifactUpdate' || this.hasArtifacts) applyEvent(this.task, response);
    if (!this.hasArtifacts) this.task.artifacts = [];
    // The log has the time of its first event alone.
    delete this.task.metadata?.lastModified;
    this.sequence = sequence;
  }

  /** Whether it shows them; a task that once had too much of them never does again, and so is the same at each look. */
  private get hasArtifacts(): boolean {
    return this.artifactBytes <= this.maxTaskBytes;
  }
}
