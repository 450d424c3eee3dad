import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TravelDesk } from './travel-desk.js';

const offer = { name: 'Old Town House', price: 500, currency: 'EUR' };
const { signal } = new AbortController();
let dir: string;
let desk: TravelDesk;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'travel-desk-'));
  desk = new TravelDesk(dir);
});
afterEach(() => rm(dir, { recursive: true }));

it('holds and books once under a key, however often it is asked', async () => {
  await desk.hold('a', offer, signal);
  await desk.hold('a', { ...offer, price: 1 }, signal);
  const reference = await desk.book('a');
  expect(reference).toMatch(/^[0-9A-F]{8}$/);
  expect(await desk.book('a')).toBe(reference);
});

it('books nothing that is not held, or held no longer', async () => {
  expect(await desk.book('a')).toBeUndefined();
  await desk.hold('a', offer, signal);
  await desk.release('a');
  await desk.release('a');
  expect(await desk.book('a')).toBeUndefined();
});

it('holds nothing once it is told to stop', async () => {
  await expect(desk.hold('a', offer, AbortSignal.abort())).rejects.toThrow('aborted');
  expect(await desk.book('a')).toBeUndefined();
});
