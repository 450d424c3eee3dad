import { describe, expect, it } from 'vitest';
import { headerValueProblem, isHttpToken } from './header-value.js';

describe('headerValueProblem', () => {
  it.each(['Bearer abc', '', 'a\tb', 'grün', '"quoted, text"'])('has none for %j', (value) => {
    expect(headerValueProblem(value)).toBeUndefined();
  });

  it.each([
    ['a\r\nX-Evil: 1', 'contains line ends or control characters'],
    ['a\nb', 'contains line ends or control characters'],
    ['a\rb', 'contains line ends or control characters'],
    ['a\0', 'contains line ends or control characters'],
    ['a\x7f', 'contains line ends or control characters'],
    ['a\u2028b', 'contains characters beyond Latin-1'],
    ['a\u010ab', 'contains characters beyond Latin-1'],
    ['😀', 'contains characters beyond Latin-1'],
    [' a', 'begins or ends with a blank'],
    ['a\t', 'begins or ends with a blank'],
  ])('finds that %j %s', (value, problem) => expect(headerValueProblem(value)).toBe(problem));
});

describe('isHttpToken', () => {
  it.each(['Bearer', 'webhook-id', "a!#$%&'*+-.^_`|~9"])('takes %s', (text) => expect(isHttpToken(text)).toBe(true));
  it.each(['', 'a b', 'a:b', 'a\n', 'a/b', 'ä', '"a"'])('refuses %j', (text) => expect(isHttpToken(text)).toBe(false));
});
