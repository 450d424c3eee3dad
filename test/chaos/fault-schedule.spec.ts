import { describe, expect, it } from 'vitest';
import { FAULT_KINDS, faultSchedule, kindsOf, PROCESSES, type ScheduleOptions } from './fault-schedule.js';

const OPTIONS: ScheduleOptions = { seed: 7, durationMs: 600_000, everyMs: 2_000, mode: 'redis' };

describe('the schedule of faults', () => {
  it('is the same for the same seed, and another one for another', () => {
    expect(faultSchedule(OPTIONS)).toEqual(faultSchedule(OPTIONS));
    expect(faultSchedule({ ...OPTIONS, seed: 8 })).not.toEqual(faultSchedule(OPTIONS));
  });

  it('has one fault in each period, and in ten minutes every kind and every process', () => {
    const faults = faultSchedule(OPTIONS);
    expect(faults.map(({ at }) => Math.floor(at / OPTIONS.everyMs))).toEqual(faults.map((_, index) => index));
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
    expect(new Set(faults.map(({ target }) => target))).toEqual(new Set([undefined, ...PROCESSES]));
  });

  it('sets clocks off by minutes, forwards and backwards', () => {
    const shifts = faultSchedule({ ...OPTIONS, kinds: ['clock'] }).map(({ shiftMs }) => shiftMs!);
    expect(shifts.every((ms) => Math.abs(ms) >= 60_000)).toBe(true);
    expect(new Set(shifts.map(Math.sign))).toEqual(new Set([-1, 1]));
  });

  it('stands a process still for less than a lease, and for more than one', () => {
    const lengths = faultSchedule({ ...OPTIONS, kinds: ['pause'] }).map(({ forMs }) => forMs);
    expect(Math.min(...lengths)).toBeLessThan(5_000);
    expect(Math.max(...lengths)).toBeGreaterThan(10_000);
  });

  it('leaves Redis alone where there is none, and draws from the chosen kinds only', () => {
    expect(kindsOf('postgres').filter((kind) => kind.startsWith('redis'))).toEqual([]);
    const faults = faultSchedule({ ...OPTIONS, kinds: ['kill', 'redis-flush'] });
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(['kill', 'redis-flush']));
  });

  it('ends in a short run too', () => {
    const faults = faultSchedule({ ...OPTIONS, durationMs: 10_000 });
    expect(Math.max(...faults.map(({ forMs }) => forMs))).toBeLessThanOrEqual(2_500);
  });
});
