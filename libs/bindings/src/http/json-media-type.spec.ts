import { describe, expect, it } from 'vitest';
import { jsonMediaType } from './json-media-type.js';

const A2A = 'application/a2a+json';
const PLAIN = 'application/json';

describe('jsonMediaType', () => {
  it.each([
    [undefined, undefined, PLAIN],
    ['*/*', undefined, PLAIN],
    ['text/event-stream', PLAIN, PLAIN],
    [A2A, undefined, A2A],
    ['Application/A2A+JSON; charset=utf-8', undefined, A2A],
    [`${PLAIN}, ${A2A}`, PLAIN, A2A],
    [`${A2A};q=0, */*`, undefined, PLAIN],
    [`${A2A};q=0.5`, undefined, A2A],
    ['application/a2a+jsonx', undefined, PLAIN],
    ['*/*', A2A, A2A],
    [undefined, `${A2A}; charset=utf-8`, A2A],
    [PLAIN, A2A, PLAIN],
  ])('for Accept %s and Content-Type %s is %s', (accept, contentType, expected) => {
    expect(jsonMediaType({ headers: { accept, 'content-type': contentType } })).toBe(expected);
  });
});
