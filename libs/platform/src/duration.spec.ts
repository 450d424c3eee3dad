import { expect, it } from 'vitest';
import { parseDuration } from './duration.js';

it.each([
  ['250ms', 250],
  ['5s', 5_000],
  ['1.5m', 90_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
  ['0', 0],
  [1_234, 1_234],
])('reads %j as %d ms', (duration, ms) => {
  expect(parseDuration(duration)).toBe(ms);
});

it.each(['', '5', '5 s', '-1s', '1w', 's', '1e3ms', '5sec', -1, NaN, Infinity])('refuses %j', (duration) => {
  expect(() => parseDuration(duration)).toThrow(/is not a duration such as/);
});
