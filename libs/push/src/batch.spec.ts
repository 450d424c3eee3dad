import { describe, expect, it } from 'vitest';
import { DatabaseUnavailableError } from '#store';
import { Batch } from './batch.js';

describe('a batch', () => {
  it('answers the calls of one turn with one statement, and those that come meanwhile with the next', async () => {
    const statements: number[][] = [];
    let late: Promise<number> | undefined;
    const batch = new Batch<number, number>(3, async (items) => {
      statements.push([...items]);
      late ??= batch.call(9);
      return items.map((item) => item * 2);
    });
    expect(await Promise.all([1, 2, 3, 4].map((item) => batch.call(item)))).toEqual([2, 4, 6, 8]);
    expect(await late).toBe(18);
    expect(statements).toEqual([
      [1, 2, 3],
      [4, 9],
    ]);
  });

  it('fails the one that the statement refuses, and not its neighbours', async () => {
    const batch = new Batch<number, number>(10, async (items) => {
      if (items.includes(2)) throw new Error('not 2');
      return items;
    });
    const answers = await Promise.allSettled([1, 2, 3].map((item) => batch.call(item)));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('asks a database that is away once for all of them', async () => {
    let asked = 0;
    const batch = new Batch<number, number>(10, async () => {
      asked++;
      throw new DatabaseUnavailableError(new Error('away'));
    });
    await Promise.allSettled([1, 2, 3].map((item) => batch.call(item)));
    expect(asked).toBe(1);
  });
});
