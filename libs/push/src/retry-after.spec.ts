import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from './retry-after.js';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 0);

describe('parseRetryAfter', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 37_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 37_000],
    ['Sun Nov  6 08:49:37 1994', 37_000],
    ['Sat, 05 Nov 1994 08:49:37 GMT', 0],
  ])('reads %j as %i ms', (value, ms) => expect(parseRetryAfter(value, NOW)).toBe(ms));

  it.each(['', '-1', '1.5', '12345678901', '1e3', 'soon', '1994-11-06T08:49:37Z', 'Sun, 99 Nov 1994 08:49:37 GMT'])(
    'finds neither seconds nor a date in %j',
    (value) => expect(parseRetryAfter(value, NOW)).toBeUndefined(),
  );
});
