import { expect, it } from 'vitest';
import { parseSize } from './size.js';

it.each([
  ['512', 512],
  ['512b', 512],
  ['64kb', 65_536],
  ['1.5MB', 1_572_864],
  ['1gb', 1_073_741_824],
])('reads %j as %d bytes', (size, bytes) => {
  expect(parseSize(size)).toBe(bytes);
});

it.each(['', '-1kb', '10 mb', '1tb', 'mb', '999999999999999gb'])('refuses %j', (size) => {
  expect(() => parseSize(size)).toThrow(/is not a size such as/);
});
