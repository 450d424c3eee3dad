import { describe, expect, it } from 'vitest';
import { type Agent } from '#agents';
import { RunSlots } from './run-slots.js';

const agent = { id: 'any' } as Agent;
const LONG_MS = 60_000;
const never = new AbortController().signal;

describe('a slot to spare', () => {
  it('is there at once, or when a run has ended', async () => {
    const slots = new RunSlots(1);
    await slots.spare(LONG_MS, never);
    slots.tryTake(agent);
    const spare = slots.spare(LONG_MS, never).then(() => slots.free);
    slots.giveBack(agent);
    expect(await spare).toBe(1);
  });

  it('is not one that somebody waits for', async () => {
    const slots = new RunSlots(1);
    slots.tryTake(agent);
    const taken = slots.wait(agent, never);
    const spare = slots.spare(LONG_MS, never).then(() => slots.free);
    slots.giveBack(agent);
    await taken;
    expect(slots.free).toBe(0);
    slots.giveBack(agent);
    expect(await spare).toBe(1);
  });

  it('is waited for no longer than said, nor by a worker that drains', async () => {
    const slots = new RunSlots(1);
    slots.tryTake(agent);
    await slots.spare(1, never);
    const draining = new AbortController();
    const spare = slots.spare(LONG_MS, draining.signal);
    draining.abort();
    await spare;
    await slots.spare(LONG_MS, draining.signal);
    expect(slots.free).toBe(0);
  });
});
