/** Results up to this many bytes stand in their records, which are all read at each replay. */
export const LARGEST_INLINE_RESULT = 16 * 1024;

/** The value of a record whose result stands in a row of its own. It is no JSON, so no result looks like it. */
export function resultReference(bytes: number): string {
  return `@${bytes}`;
}

/** Whether the value of a record stands for a result in a row of its own. */
export function isResultReference(value: string | null): boolean {
  return value?.startsWith('@') ?? false;
}
