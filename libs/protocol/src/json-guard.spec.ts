import { describe, expect, it } from 'vitest';
import { jsonViolation, MAX_JSON_DEPTH } from './json-guard.js';

const NUL = 'a\0b';
const nested = (levels: number, open: string, close: string) =>
  JSON.parse(open.repeat(levels) + close.repeat(levels)) as unknown;

describe('jsonViolation', () => {
  it.each([
    'null',
    '0',
    '"text"',
    '"😀 pairs are whole"',
    '[]',
    '{"a":[{"b":null},true,-1.5e300,"\\u0001"]}',
    '{"__proto__":{"constructor":1}}',
  ])('finds nothing wrong with %s', (text) => {
    expect(jsonViolation(JSON.parse(text))).toBeUndefined();
  });

  it.each([
    [NUL, '', 'U+0000'],
    [
      { message: { parts: [{ text: 'ok' }, { data: { deep: ['x', { a: NUL }] } }] } },
      'message.parts[1].data.deep[1].a',
      'U+0000',
    ],
    [{ metadata: { [NUL]: 1 } }, 'metadata["a\\u0000b"]', 'U+0000'],
    [{ text: 'half \ud83d' }, 'text', 'surrogate'],
    [{ text: '\ude00 half' }, 'text', 'surrogate'],
    [{ text: '\ude00\ud83d' }, 'text', 'surrogate'],
    [{ metadata: { '\ud83d': 1 } }, 'metadata["\\ud83d"]', 'surrogate'],
    [JSON.parse('{"__proto__":["\\u0000"]}') as unknown, '__proto__[0]', 'U+0000'],
  ])('refuses %j and names the place', (json, field, fact) => {
    expect(jsonViolation(json)).toEqual({ field, description: expect.stringContaining(fact) as string });
  });

  it.each([
    [{ n: NaN }, 'n'],
    [[1, Infinity], '[1]'],
    [{ f: () => 1 }, 'f'],
    [{ u: undefined }, 'u'],
    [{ b: 1n }, 'b'],
    [undefined, ''],
  ])('refuses what JSON cannot hold (%#)', (json, field) => {
    expect(jsonViolation(json)?.field).toBe(field);
  });

  it('starts paths at the given one', () => {
    expect(jsonViolation({ text: NUL }, 'message.parts[0]')?.field).toBe('message.parts[0].text');
  });

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"a":', '}'],
  ])('takes %s 64 levels deep and refuses the 65th', (_, open, close) => {
    const inner = open === '[' ? '' : '1';
    const json = (levels: number) => JSON.parse(open.repeat(levels) + inner + close.repeat(levels)) as unknown;
    expect(jsonViolation(json(MAX_JSON_DEPTH))).toBeUndefined();
    expect(jsonViolation(json(MAX_JSON_DEPTH + 1))?.description).toBe('is nested deeper than 64 levels');
  });

  it('refuses very deep and endless nesting without exhausting the stack', () => {
    expect(jsonViolation(nested(5_000, '[', ']'))?.description).toContain('deeper');
    const endless: Record<string, unknown> = {};
    endless.self = endless;
    expect(jsonViolation(endless)?.description).toContain('deeper');
  });

  it('cuts long keys in the path', () => {
    expect(jsonViolation({ ['k'.repeat(1_000_000)]: NUL })?.field.length).toBeLessThan(100);
  });
});
