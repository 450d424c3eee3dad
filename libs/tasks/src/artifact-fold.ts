import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { applyArtifactUpdate, type Artifact, StreamResponseSchema, TaskSchema } from '#protocol';
import { type LogPosition, type StoredEvent, type WholeTaskRow } from '#store';

/** The artifacts of a row: those of its snapshot, with the events after it that are read one by one. */
export class ArtifactFold {
  readonly artifacts: Artifact[];
  private after: number;

  constructor(private readonly row: WholeTaskRow) {
    this.artifacts = row.snapshot === null ? [] : fromJson(TaskSchema, JSON.parse(row.snapshot) as JsonValue).artifacts;
    this.after = Math.max(row.snapshotSequence, 1);
  }

  /** Where the log is to be read on. */
  get position(): LogPosition {
    return { tenantId: this.row.tenantId, taskId: this.row.id, after: this.after };
  }

  /** Whether the row counts events that are still to be read. */
  get isBehind(): boolean {
    return this.after < this.row.lastSequence;
  }

  /** Takes the next event; one that came after the row was read is left out. */
  take({ sequence, event }: StoredEvent): void {
    if (!this.isBehind) return;
    const { payload } = fromJson(StreamResponseSchema, JSON.parse(event) as JsonValue);
    if (payload.case === 'artifactUpdate') applyArtifactUpdate(this.artifacts, payload.value);
    this.after = sequence;
  }
}
