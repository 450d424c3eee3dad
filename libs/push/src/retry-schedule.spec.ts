import { describe, expect, it } from 'vitest';
import { RetrySchedule } from './retry-schedule.js';

const config = { pushRetryMs: [0, 5_000, 300_000], pushRetryAfterMs: 60_000 };
const at = (random: number) => new RetrySchedule(config, () => random);

describe('the retry schedule', () => {
  it('pauses as planned, 20 % more or less, and ends', () => {
    expect(at(0.5).pause(1)).toBe(5_000);
    expect(at(0).pause(1)).toBe(4_000);
    expect(at(1).pause(2)).toBe(360_000);
    expect(at(0.5).pause(3)).toBeUndefined();
  });

  it('waits for as long as the receiver asks, no shorter than planned and no longer than the bound', () => {
    expect(at(0.5).pause(1, 30_000)).toBe(30_000);
    expect(at(0.5).pause(1, 1_000)).toBe(5_000);
    expect(at(0.5).pause(1, 86_400_000)).toBe(60_000);
    expect(at(0.5).pause(2, 86_400_000)).toBe(300_000);
    expect(at(0.5).pause(3, 1_000)).toBeUndefined();
  });
});
