import { expect, it } from 'vitest';
import { type SigningKeyRow } from '#store';
import { nextChangeMs, signingKeyStates } from './signing-key-state.js';

const row = (signsInMs: number, retiresInMs: number | null) => ({ signsInMs, retiresInMs }) as SigningKeyRow;
const ROWS = [row(1_000, null), row(-5_000, 3_000), row(-9_000, -1)];

it.each([
  [0, ['upcoming', 'signing', 'retired']],
  [999, ['upcoming', 'signing', 'retired']],
  [1_000, ['signing', 'verifying', 'retired']],
  [2_999, ['signing', 'verifying', 'retired']],
  [3_000, ['signing', 'retired', 'retired']],
])('after %i ms the keys are %j', (elapsedMs, states) => {
  expect(signingKeyStates(ROWS, elapsedMs)).toEqual(states);
});

it('has exactly one key sign at any time, as long as one is not retired', () => {
  for (let elapsedMs = 0; elapsedMs < 5_000; elapsedMs += 50) {
    expect(signingKeyStates(ROWS, elapsedMs).filter((state) => state === 'signing')).toHaveLength(1);
  }
});

it('tells when the next change comes', () => {
  expect([0, 1_000, 3_000].map((elapsedMs) => nextChangeMs(ROWS, elapsedMs))).toEqual([1_000, 3_000, undefined]);
});
