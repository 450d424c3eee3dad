import { describe, expect, it } from 'vitest';
import { lengthOutside, standstills } from './standstills.js';

const WORKERS = ['worker-1', 'worker-2'];

describe('standstills', () => {
  it('are the times in which something was wrong with every worker', () => {
    const disturbances = [
      { on: 'worker-1', from: 0, to: 10 },
      { on: 'worker-2', from: 5, to: 15 },
      { on: 'server-1', from: 0, to: 100 },
      { on: 'all', from: 10, to: 12 },
      { on: 'all', from: 30, to: 40 },
    ];
    expect(standstills(disturbances, WORKERS)).toEqual([
      { from: 5, to: 12 },
      { from: 30, to: 40 },
    ]);
  });

  it('are none where one worker goes on', () => {
    expect(standstills([{ on: 'worker-1', from: 0, to: 10 }], WORKERS)).toEqual([]);
  });
});

describe('lengthOutside', () => {
  it('leaves out what lies inside of the others', () => {
    const others = [
      { from: 0, to: 12 },
      { from: 18, to: 30 },
    ];
    expect(lengthOutside({ from: 10, to: 20 }, others)).toBe(6);
    expect(lengthOutside({ from: 40, to: 50 }, others)).toBe(10);
  });
});
