import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ArtifactSchema, PartSchema, TaskArtifactUpdateEventSchema } from '#protocol';
import { ArtifactSizes } from './artifact-sizes.js';

const LIMIT = 1_000;
const part = (length: number) => create(PartSchema, { content: { case: 'text', value: 'x'.repeat(length) } });
const artifact = (artifactId: string, length: number) => create(ArtifactSchema, { artifactId, parts: [part(length)] });
const chunk = (artifactId: string, length: number, append = true) =>
  create(TaskArtifactUpdateEventSchema, { artifact: artifact(artifactId, length), append });

describe(ArtifactSizes, () => {
  it('counts all artifacts together, those that were there before too', () => {
    const sizes = new ArtifactSizes([artifact('a', 400), artifact('b', 400)]);
    expect(sizes.take(chunk('c', 200), LIMIT)).toBe(false);
    expect(sizes.take(chunk('c', 100), LIMIT)).toBe(true);
    expect(sizes.take(chunk('a', 100), LIMIT)).toBe(false);
  });

  it('counts what replaces an artifact in place of it', () => {
    const sizes = new ArtifactSizes([artifact('a', 900)]);
    for (let i = 0; i < 10; i++) expect(sizes.take(chunk('a', 900, false), LIMIT)).toBe(true);
    expect(sizes.take(chunk('a', 500, true), LIMIT)).toBe(false);
    expect(sizes.take(chunk('a', 10, false), LIMIT)).toBe(true);
    expect(sizes.take(chunk('a', 900, true), LIMIT)).toBe(true);
  });

  it('does not count what it refuses', () => {
    const sizes = new ArtifactSizes([]);
    expect(sizes.take(chunk('a', 5_000), LIMIT)).toBe(false);
    expect(sizes.take(chunk('a', 900), LIMIT)).toBe(true);
  });

  it('measures bytes, of raw content as its base64', () => {
    const euros = create(PartSchema, { content: { case: 'text', value: '€'.repeat(400) } });
    const bytes = create(PartSchema, { content: { case: 'raw', value: new Uint8Array(900) } });
    for (const parts of [[euros], [bytes]]) {
      const event = create(TaskArtifactUpdateEventSchema, { artifact: { artifactId: 'a', parts } });
      expect(new ArtifactSizes([]).take(event, LIMIT)).toBe(false);
      expect(new ArtifactSizes([]).take(event, LIMIT + 300)).toBe(true);
    }
  });
});
