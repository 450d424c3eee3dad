/** Characters of one chunk of the `chunks` agent. */
export const CHUNK_LENGTH = 200;

/** The text of chunk `index` of the `chunks` agent, the same in every server, so that a reader can check it. */
export function chunkText(index) {
  return `chunk ${index} `.padEnd(CHUNK_LENGTH, '.');
}
