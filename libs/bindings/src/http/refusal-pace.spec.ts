import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RefusalPace } from './refusal-pace.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function refused(count: number, pace = new RefusalPace()) {
  const told: number[] = [];
  for (let i = 0; i < count; i++) pace.take(() => told.push(i));
  return { pace, told };
}

it('tells a few at once', () => {
  expect(refused(40).told).toHaveLength(40);
});

it('tells the others in the order of their coming, 2,000 a second', () => {
  const { told } = refused(3_040);
  expect(told).toHaveLength(40);
  vi.advanceTimersByTime(1_000);
  expect(told).toHaveLength(2_040);
  vi.advanceTimersByTime(500);
  expect(told).toEqual(Array.from({ length: 3_040 }, (_, i) => i));
});

it('gives newcomers no turn before those who wait', () => {
  const { pace, told } = refused(100);
  vi.advanceTimersByTime(20);
  expect(told).toHaveLength(80);
  pace.take(() => told.push(100));
  expect(told).toHaveLength(80);
  vi.advanceTimersByTime(20);
  expect(told.at(-1)).toBe(100);
});

it('holds no more than 10,000, and tells those beyond at once', () => {
  expect(refused(10_140).told).toHaveLength(140);
});

it('needs no timer while nobody is refused', () => {
  refused(41);
  vi.advanceTimersByTime(100);
  expect(vi.getTimerCount()).toBe(0);
});

it('tells all of them when the process stops', () => {
  const { pace, told } = refused(5_000);
  pace.stop();
  expect(told).toHaveLength(5_000);
  expect(vi.getTimerCount()).toBe(0);
});
