import { expect, it } from 'vitest';
import { isLonger } from './text-size.js';

it.each([
  ['', 0, false],
  ['a', 0, true],
  ['aaaa', 4, false],
  ['aaaaa', 4, true],
  ['€', 2, true],
  ['€', 3, false],
  ['😀', 3, true],
  ['😀', 4, false],
  ['a'.repeat(100), 1_000, false],
])('counts bytes, not characters: %j in %d', (text, bytes, longer) => {
  expect(isLonger(text, bytes)).toBe(longer);
});
