import { type Artifact, jsonText, type Part, PartSchema, type TaskArtifactUpdateEvent } from '#protocol';

/** Bytes of a part of text, beside its text: `{"text":""},`. */
const TEXT_FRAME = 12;

/** How large the artifacts of a task are together. Each chunk is measured once, when it comes; so are those that are there. */
export class ArtifactSizes {
  private readonly sizes = new Map<string, number>();
  private total = 0;

  constructor(artifacts: readonly Artifact[]) {
    for (const { artifactId, parts } of artifacts) this.add(artifactId, sizeOf(parts));
  }

  /** Counts a chunk in; false where that makes more than `limit` bytes, and it does not count. */
  take({ artifact, append }: TaskArtifactUpdateEvent, limit: number): boolean {
    if (!artifact) return true;
    const size = sizeOf(artifact.parts);
    const replaced = append ? 0 : (this.sizes.get(artifact.artifactId) ?? 0);
    if (this.total - replaced + size > limit) return false;
    this.add(artifact.artifactId, size - replaced);
    return true;
  }

  private add(artifactId: string, size: number): void {
    this.sizes.set(artifactId, (this.sizes.get(artifactId) ?? 0) + size);
    this.total += size;
  }
}

function sizeOf(parts: readonly Part[]): number {
  let size = 0;
  for (const part of parts) size += sizeOfPart(part);
  return size;
}

function sizeOfPart(part: Part): number {
  const { content, metadata } = part;
  if (content.case === 'text' && !metadata) return Buffer.byteLength(content.value) + TEXT_FRAME;
  return Buffer.byteLength(jsonText(PartSchema, part));
}
