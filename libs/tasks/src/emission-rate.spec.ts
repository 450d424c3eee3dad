import { describe, expect, it } from 'vitest';
import { EmissionRate } from './emission-rate.js';

function taken(rate: EmissionRate, count: number, now: number): number {
  return Array.from({ length: count }, () => rate.take(now)).filter(Boolean).length;
}

describe(EmissionRate, () => {
  it('takes ten seconds’ worth at once, and no more', () => {
    expect(taken(new EmissionRate(5, 0), 100, 0)).toBe(50);
  });

  it('takes as many a second from then on, however they come', () => {
    const rate = new EmissionRate(5, 0);
    taken(rate, 50, 0);
    expect(taken(rate, 10, 1_000)).toBe(5);
    for (let now = 1_200; now <= 3_000; now += 200) expect(taken(rate, 3, now), String(now)).toBe(1);
  });

  it('saves up what was not emitted, for ten seconds and not longer', () => {
    const rate = new EmissionRate(5, 0);
    taken(rate, 50, 0);
    expect(taken(rate, 100, 4_000)).toBe(20);
    expect(taken(rate, 100, 3_600_000)).toBe(50);
  });
});
