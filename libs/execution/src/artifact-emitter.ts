import { create } from '@bufbuild/protobuf';
import { type ArtifactWriter, type Content } from '#agents';
import { type Artifact, ArtifactSchema, type Part, PartSchema } from '#protocol';
import { artifactEvent, partsOf } from '#tasks';
import { type RecordedCall } from './run-journal.js';
import { type RunTurn } from './run-turn.js';

/**
 * The writer of one artifact. Chunks are not recorded one by one: an artifact that was closed is left as it is on replay,
 * one that was left open starts over, and its first new chunk replaces what there was.
 */
export class ArtifactEmitter implements ArtifactWriter {
  private started = false;
  private closed = false;

  constructor(
    private readonly turn: RunTurn,
    private readonly call: RecordedCall,
    private readonly opened: Artifact,
    private readonly mediaType?: string,
  ) {}

  append(content: Content): Promise<void> {
    return this.turn.watched(this.emit(() => partsOf(content, this.mediaType), false));
  }

  close(): Promise<void> {
    // The protocol has no event for "that was the last chunk" alone: an artifact update has at least one part.
    return this.turn.watched(this.emit(() => [create(PartSchema, { content: { case: 'text', value: '' } })], true));
  }

  write(content: Content): Promise<void> {
    return this.turn.watched(this.emit(() => partsOf(content, this.mediaType), true));
  }

  private async emit(content: () => Part[], lastChunk: boolean): Promise<void> {
    this.turn.assertGoing();
    this.assertOpen();
    const parts = content();
    this.closed = lastChunk;
    if (this.call.recorded) return;
    const append = this.started;
    this.started = true;
    const artifact = create(ArtifactSchema, { ...this.opened, parts });
    const event = artifactEvent(this.turn.subject, artifact, { append, lastChunk });
    await this.turn.writer.emit(event, lastChunk ? this.call.record(null) : undefined);
  }

  private assertOpen(): void {
    if (this.closed) throw new Error('the artifact is closed: nothing can be appended to it');
  }
}
