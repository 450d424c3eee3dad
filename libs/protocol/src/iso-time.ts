/** The texts of lately asked times, each at its milliseconds modulo the length: busy servers write the same few again and again. */
const texts: { readonly ms: number; readonly text: string }[] = Array.from({ length: 64 }, () => ({
  ms: NaN,
  text: '',
}));

/**
 * `ms` since the epoch as RFC 3339 text: UTC, three fractional digits.
 * @throws RangeError for what is no time.
 */
export function isoTime(ms: number): string {
  const place = ms & 63;
  const known = texts[place]!;
  if (known.ms === ms) return known.text;
  const text = new Date(ms).toISOString();
  texts[place] = { ms, text };
  return text;
}
