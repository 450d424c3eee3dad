import { describe, expect, it } from 'vitest';
import { printable, printableJson } from './printable.js';

describe('printable', () => {
  it.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red'],
    ['a cleared screen', 'a\u001b[2J\u001b[Hb', 'ab'],
    ['a window title', '\u001b]0;owned\u0007a', 'a'],
    ['a sequence of the C1 range', 'a\u009b2Jb', 'ab'],
    ['half a sequence, as a chunk may end with', 'a\u001b', 'a'],
    ['a return to the start of the line', 'safe\rrm -rf', 'saferm -rf'],
    ['a backspace', 'ab\b\bc', 'abc'],
    ['a turned reading direction', 'a\u202etxt.exe\u2066', 'atxt.exe'],
  ])('takes away %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it('leaves text, line breaks, tabs and letters of any script', () => {
    const text = 'Zażółć\n\tgęślą → 東京 🙂 العربية';
    expect(printable(text)).toBe(text);
  });
});

describe('printableJson', () => {
  it('writes what a terminal acts on as escapes, and parses to the same value', () => {
    const value = { text: '\u001b[2J\u009b\u007f\u202e\u2028', plain: 'ä🙂' };
    const json = printableJson(value);

    expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
    expect(json).toContain('ä🙂');
    expect(JSON.parse(json)).toEqual(value);
  });
});
