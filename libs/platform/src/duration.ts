const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a duration written as `250ms`, `5s`, `1.5m`, `24h` or `7d`; a number is milliseconds already, and
 * `0` needs no unit. Throws a RangeError that says what is wanted for everything else, negative values included.
 */
export function parseDuration(duration: string | number): number {
  const ms = typeof duration === 'number' ? duration : parseText(duration);
  if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`${JSON.stringify(duration)} is not a duration such as 250ms, 5s, 1m, 24h or 7d`);
  }
  return Math.round(ms);
}

function parseText(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match) return Number(match[1]) * (UNITS[match[2] ?? ''] ?? NaN);
  return text.trim() === '0' ? 0 : undefined;
}
