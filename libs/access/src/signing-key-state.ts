import { type SigningKeyRow } from '#store';

/**
 * What a key is for: `upcoming` is published and does not sign yet, `signing` signs, `verifying` signs no longer and is published
 * for those who hold its signatures, `retired` is not published.
 */
export type SigningKeyState = 'upcoming' | 'signing' | 'verifying' | 'retired';

/** The state of each key `elapsedMs` after its row was read, in the order of `rows` (the one that signs last first). */
export function signingKeyStates(rows: readonly SigningKeyRow[], elapsedMs = 0): SigningKeyState[] {
  const isRetired = ({ retiresInMs }: SigningKeyRow) => retiresInMs !== null && retiresInMs <= elapsedMs;
  const signing = rows.find((row) => !isRetired(row) && row.signsInMs <= elapsedMs);
  return rows.map((row) => {
    if (isRetired(row)) return 'retired';
    if (row === signing) return 'signing';
    return row.signsInMs > elapsedMs ? 'upcoming' : 'verifying';
  });
}

/** Milliseconds after the rows were read when the next state changes; undefined where none will. */
export function nextChangeMs(rows: readonly SigningKeyRow[], elapsedMs = 0): number | undefined {
  const times = rows.flatMap(({ signsInMs, retiresInMs }) => [
    signsInMs,
    ...(retiresInMs === null ? [] : [retiresInMs]),
  ]);
  const coming = times.filter((time) => time > elapsedMs);
  return coming.length > 0 ? Math.min(...coming) : undefined;
}
