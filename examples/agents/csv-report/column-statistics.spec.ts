import { expect, it } from 'vitest';
import { columnStatistics } from './column-statistics.js';

it('counts, and computes of numbers what statistics has to say', () => {
  expect(columnStatistics(['2', '4', '', '4', '4', '5', '5', '7', '9'])).toEqual({
    count: 8,
    missing: 1,
    distinct: 5,
    numbers: { min: 2, max: 9, mean: 5, median: 4.5, standardDeviation: Math.sqrt(32 / 7) },
  });
});

it('orders numbers as numbers', () => {
  expect(columnStatistics(['10', '9', '-1', '1e2', '.5']).numbers).toMatchObject({ min: -1, max: 100, median: 9 });
});

it('has no standard deviation for a single number', () => {
  expect(columnStatistics(['3'])).toMatchObject({ numbers: { mean: 3, median: 3, standardDeviation: null } });
});

it('takes a column for text as soon as one value is none of its numbers', () => {
  expect(columnStatistics(['1', '2', 'n/a']).numbers).toBeUndefined();
  for (const value of ['007', '1,5', '0x10', 'Infinity', 'NaN', '1e999', '1e200', '.', '-', '1 2', '٣']) {
    expect(columnStatistics([value]), value).toMatchObject({ distinct: 1, top: [{ value, count: 1 }] });
  }
  for (const value of ['0', '-0.5', '+3', '1e150', '2.50']) {
    expect(columnStatistics([value]).numbers, value).toBeDefined();
  }
});

it('lists the five most frequent texts, equals by the alphabet', () => {
  expect(columnStatistics(['f', 'b', 'a', 'b', 'e', 'd', 'c', '']).top).toEqual([
    { value: 'b', count: 2 },
    { value: 'a', count: 1 },
    { value: 'c', count: 1 },
    { value: 'd', count: 1 },
    { value: 'e', count: 1 },
  ]);
});

it('survives recording as JSON, also at the largest numbers', () => {
  const statistics = columnStatistics(Array.from({ length: 1000 }, (_, index) => (index % 2 ? '1e150' : '-1e150')));
  expect(JSON.parse(JSON.stringify(statistics))).toEqual(statistics);
});

it('knows an empty column', () => {
  expect(columnStatistics(['', ''])).toEqual({ count: 0, missing: 2, distinct: 0, top: [] });
});
