import { describe, expect, it } from 'vitest';
import { SendSlots } from './send-slots.js';

describe('slots', () => {
  it('are given as they get free, in the order of the calls', async () => {
    const slots = new SendSlots(3);
    expect(await slots.take(2)).toBe(2);
    expect(await slots.take(2)).toBe(1);
    const order: string[] = [];
    const first = slots.take(2).then((n) => order.push(`first ${n}`));
    const second = slots.take(1).then((n) => order.push(`second ${n}`));
    expect(slots.isShort).toBe(true);
    slots.give(2);
    await first;
    slots.give(1);
    await second;
    expect(order).toEqual(['first 2', 'second 1']);
    expect(slots.isShort).toBe(false);
  });

  it('are given to nobody once closed', async () => {
    const slots = new SendSlots(1);
    await slots.take(1);
    const waiting = slots.take(1);
    slots.close();
    expect(await waiting).toBe(0);
    expect(await slots.take(1)).toBe(0);
  });
});
