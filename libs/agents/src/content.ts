import type { JsonObject } from '@bufbuild/protobuf';
import type { PartJson } from '#protocol';

/**
 * What an agent says: a string (one text part), one part, or several of either, in order. A part holds exactly one of
 * `text`, `data` (any JSON), `raw` (base64) and `url`, and may have `mediaType`, `filename` and `metadata`.
 *
 * @example 'Done'
 * @example { data: { rows: 12 } }
 * @example ['The report:', { raw: base64, filename: 'report.pdf', mediaType: 'application/pdf' }]
 */
export type Content = string | PartJson | readonly (string | PartJson)[];

/** What is known of an artifact before its first chunk; every field is optional. */
export interface ArtifactOptions {
  /** A name for people, such as `report.md`. */
  name?: string;
  /** A sentence about the artifact, for people. */
  description?: string;
  /** The media type of the text parts made from strings, such as `text/markdown`. Parts keep a `mediaType` of their own. */
  mediaType?: string;
  /** The artifact's id, unique within the task. Without it the server picks one that stays the same on replay. */
  artifactId?: string;
  /** The protocol's free JSON object; clients see it. */
  metadata?: JsonObject;
}

/**
 * An artifact that is written chunk by chunk while clients watch.
 *
 * On replay a closed artifact is left as it is. One that a dead run left open starts over: its new first chunk
 * replaces what the dead run had written, so clients never see a chunk twice in the result.
 */
export interface ArtifactWriter {
  /**
   * Adds the content as one chunk. Await it: it resolves when there is room for the next chunk, so a fast writer
   * cannot outrun the database, and it rejects when an earlier chunk could not be written.
   */
  append(content: Content): Promise<void>;
  /** Marks the last chunk. Nothing can be appended afterwards. */
  close(): Promise<void>;
  /** The whole artifact in one go: `append(content)` and `close()`. */
  write(content: Content): Promise<void>;
}
