import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ACTS } from './acts.js';
import { CASES } from './cases.js';
import { DELTAS } from './deltas.js';
import { EVIDENCE } from './evidence.js';
import { PAGE_PATH, renderPage } from './page.js';
import { REQUIREMENTS } from './requirements.js';
import { RESERVATIONS } from './reservations.js';

const KNOWN = [...REQUIREMENTS.map(({ id }) => id), ...Object.keys(ACTS).map((id) => `ACTS ${id}`)];
const named = (items: readonly { requirements: readonly string[] }[]) =>
  items.flatMap(({ requirements }) => requirements);

it('docs/conformance.md is what a run in which everything passes writes', () => {
  expect(readFileSync(PAGE_PATH, 'utf8')).toBe(renderPage(() => true));
});

it('a test that does not pass shows on the page, at its binding alone', () => {
  const page = renderPage(
    (test) =>
      test !==
      'push notifications > a webhook of a task under way is told of what follows, and nothing once it is deleted > over GRPC',
  );
  const [row] = page.split('\n').filter((line) => line.startsWith('| PUSH-CREATE-002 '));
  expect(row).toContain('| ✓ | ✓ | ✗ | — |');
});

it('the page has all 129 requirements of the kit', () => {
  expect(new Set(REQUIREMENTS.map(({ id }) => id)).size).toBe(129);
});

it('every requirement has a case, or a reason why it has none', () => {
  const covered = new Set([...named(EVIDENCE), ...named(RESERVATIONS)]);
  expect(KNOWN.filter((id) => !covered.has(id))).toEqual([]);
});

it('cases, reservations and deltas name requirements that there are', () => {
  const deltas = DELTAS.flatMap(({ requirement }) => requirement.split(', '));
  expect([...named(EVIDENCE), ...named(RESERVATIONS), ...deltas].filter((id) => !KNOWN.includes(id))).toEqual([]);
});

it('every case speaks for a requirement, under a name of its own', () => {
  for (const cases of Object.values(CASES)) {
    expect(cases.filter(({ requirements }) => requirements.length === 0)).toEqual([]);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  }
});
