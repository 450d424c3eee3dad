import { describe, expect, it } from 'vitest';
import { isoTime } from './iso-time.js';

describe(isoTime, () => {
  it('writes every time as Date does, again and again', () => {
    const now = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
    const times = [now, now + 64, now - 64, 0, -1, -63, Date.UTC(9999, 11, 31), now, now + 64, -62_135_596_800_000];
    for (const ms of [...times, ...times]) expect(isoTime(ms)).toBe(new Date(ms).toISOString());
  });

  it('throws for what is no time', () => {
    expect(() => isoTime(NaN)).toThrow(RangeError);
    expect(() => isoTime(9e15)).toThrow(RangeError);
  });
});
