import { expect, it } from 'vitest';
import { checkedCard } from './checked-card.js';

function problemsOf(uri: string | undefined): string[] {
  const problems: string[] = [];
  checkedCard({ name: 'n', description: 'd', capabilities: { extensions: [{ uri }] } }, 'n', problems);
  return problems;
}

it.each(['https://example.com/ext/v1', 'urn:x:y'])('takes the extension %s', (uri) => {
  expect(problemsOf(uri)).toEqual([]);
});

it.each(['', undefined, 'urn:a,urn:b', 'urn:a b', 'urn:ä', 'urn:a\r\nset-cookie: x'])(
  'refuses the extension %j, which no header could name',
  (uri) => {
    expect(problemsOf(uri)).toEqual([expect.stringMatching(/^card\.capabilities\.extensions\[0\]\.uri must be a URI/)]);
  },
);
