import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ProcessLoad } from './process-load.js';

const LOOK_MS = 100;
let load: ProcessLoad;
let now: number;

beforeEach(() => {
  now = 0;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  load = new ProcessLoad();
  load.start(() => undefined);
});

afterEach(() => {
  load.stop();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Looks that come so much later than they are due. */
function looksLateBy(...lates: number[]): void {
  for (const late of lates) {
    now += LOOK_MS + late;
    vi.advanceTimersToNextTimer();
  }
}

it('takes the loop for late when it has come late several times in a row, by the least of these times', () => {
  looksLateBy(900, 700, 800);
  expect(load.loopDelayMs).toBe(700);
});

it('takes one long turn for what it is', () => {
  looksLateBy(0, 0, 5_000, 0);
  expect(load.loopDelayMs).toBe(0);
});

it('forgets that it was late when it is in time again', () => {
  looksLateBy(900, 900, 900, 0);
  expect(load.loopDelayMs).toBe(0);
});
