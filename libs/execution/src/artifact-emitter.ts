import { create } from '@bufbuild/protobuf';
import { type ArtifactOptions, type ArtifactWriter, type Content } from '#agents';
import { ArtifactSchema, type Part, PartSchema } from '#protocol';
import { artifactEvent, partsOf, type RunWriter } from '#tasks';
import { type RecordedCall } from './run-journal.js';

/**
 * The writer of one artifact. Chunks are not recorded one by one: an artifact that was closed is left as it is on replay,
 * one that was left open starts over, and its first new chunk replaces what there was.
 */
export class ArtifactEmitter implements ArtifactWriter {
  private started = false;
  private closed = false;

  constructor(
    private readonly writer: RunWriter,
    private readonly call: RecordedCall,
    private readonly options: ArtifactOptions & { readonly artifactId: string },
  ) {}

  async append(content: Content): Promise<void> {
    this.assertOpen();
    await this.emit(partsOf(content, this.options.mediaType), false);
  }

  async close(): Promise<void> {
    this.assertOpen();
    // The protocol has no event for "that was the last chunk" alone: an artifact update has at least one part.
    await this.emit([create(PartSchema, { content: { case: 'text', value: '' } })], true);
  }

  async write(content: Content): Promise<void> {
    this.assertOpen();
    await this.emit(partsOf(content, this.options.mediaType), true);
  }

  private async emit(parts: Part[], lastChunk: boolean): Promise<void> {
    this.closed = lastChunk;
    if (this.call.recorded) return;
    const { artifactId, name, description, metadata } = this.options;
    const append = this.started;
    this.started = true;
    const artifact = create(ArtifactSchema, { artifactId, name, description, metadata, parts });
    const event = artifactEvent({ taskId: this.writer.task.id, contextId: this.writer.task.contextId }, artifact, {
      append,
      lastChunk,
    });
    await this.writer.emit(event, lastChunk ? this.call.record(null) : undefined);
  }

  private assertOpen(): void {
    if (this.closed) throw new Error('the artifact is closed: nothing can be appended to it');
  }
}
