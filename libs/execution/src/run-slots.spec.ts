import { describe, expect, it } from 'vitest';
import { type Agent } from '#agents';
import { type Backlog, RunSlots } from './run-slots.js';
import { TenantShares } from './tenant-shares.js';

const agent = { id: 'any' } as Agent;
const LONG_MS = 60_000;

function slotsOf(limit: number, tenantLimit?: number): RunSlots {
  return new RunSlots(limit, new TenantShares(), tenantLimit);
}

/** Tenants with jobs in the outbox, and how often it was their turn. */
class FixedBacklog implements Backlog {
  turns = 0;

  constructor(readonly jobs: Record<string, number>) {}

  get isEmpty(): boolean {
    return Object.keys(this.jobs).length === 0;
  }

  tenants(): string[] {
    return Object.keys(this.jobs);
  }

  priority(tenant: string): number | undefined {
    return tenant in this.jobs ? 1 : undefined;
  }

  count(tenant: string): number {
    return this.jobs[tenant] ?? 0;
  }

  onTurn(): void {
    this.turns++;
  }
}

describe('a slot', () => {
  it('is taken at once where nobody waits, within the limits of process, agent and tenant', () => {
    const slots = slotsOf(4, 2);
    const narrow = { id: 'narrow', concurrency: 1 } as Agent;
    const first = slots.tryTake(narrow, 'a')!;
    expect(slots.tryTake(narrow, 'b')).toBeUndefined();
    expect([slots.tryTake(agent, 'a'), slots.tryTake(agent, 'a')]).toEqual([expect.anything(), undefined]);
    expect([slots.tryTake(agent, 'b'), slots.tryTake(agent, 'b')]).toEqual([expect.anything(), expect.anything()]);
    expect(slots.tryTake(agent, 'c')).toBeUndefined();
    slots.giveBack(first);
    expect(slots.tryTake(narrow, 'b')).toBeUndefined();
    expect(slots.tryTake(narrow, 'c')).toBeDefined();
  });

  it('goes to those who wait in turns, tenant by tenant', async () => {
    const slots = slotsOf(1);
    const held = slots.tryTake(agent, 'x')!;
    const order: string[] = [];
    const run = async (tenant: string) => {
      const slot = await slots.soon(agent, tenant, LONG_MS);
      order.push(tenant);
      slots.giveBack(slot!);
    };
    const runs = ['a', 'a', 'a', 'b', 'b'].map(run);
    expect(slots.tryTake(agent, 'c')).toBeUndefined();
    slots.giveBack(held);
    await Promise.all(runs);
    expect([...order].sort()).toEqual(['a', 'a', 'a', 'b', 'b']);
    expect(order.indexOf('b')).toBeLessThan(2);
  });

  it('is not waited for longer than said, nor after the end', async () => {
    const slots = slotsOf(1);
    slots.tryTake(agent, 'a');
    expect(await slots.soon(agent, 'a', 1)).toBeUndefined();
    const waiting = [slots.soon(agent, 'a', LONG_MS), slots.forJob(agent, 'a', 1)];
    slots.close();
    expect(await Promise.all(waiting)).toEqual([undefined, undefined]);
    expect([slots.free, await slots.forJob(agent, 'a', 1)]).toEqual([0, undefined]);
  });

  it('is left to the outbox where it is its turn, and passes those who came later', async () => {
    const slots = slotsOf(1);
    const backlog = new FixedBacklog({ old: 3 });
    slots.attach(backlog);
    expect(slots.tryTake(agent, 'old')).toBeUndefined();
    const soon = slots.soon(agent, 'old', LONG_MS);
    expect([slots.free, backlog.turns, slots.turn()]).toEqual([1, 1, 'old']);
    delete backlog.jobs.old;
    expect(slots.turn()).toBeUndefined();
    expect(await soon).toBeDefined();
  });

  it('goes first to a job that has left the outbox already, unless one of a higher priority is in there', async () => {
    const slots = slotsOf(1);
    const backlog = new FixedBacklog({ old: 3 });
    slots.attach(backlog);
    const low = slots.forJob(agent, 'old', 2);
    expect([slots.free, backlog.turns]).toEqual([1, 1]);
    const normal = await slots.forJob(agent, 'old', 1);
    delete backlog.jobs.old;
    slots.giveBack(normal!);
    expect(await low).toBeDefined();
  });

  it('goes to the highest priority of a tenant, and of equals to the first', async () => {
    const slots = slotsOf(1);
    const held = slots.tryTake(agent, 'a')!;
    const order: number[] = [];
    const run = async (priority: number) => {
      const slot = await slots.forJob(agent, 'a', priority);
      order.push(priority);
      slots.giveBack(slot!);
    };
    const runs = [2, 1, 0, 1].map(run);
    slots.giveBack(held);
    await Promise.all(runs);
    expect(order).toEqual([0, 1, 1, 2]);
  });

  it('goes to a tenant of which nothing runs before one that has it all', async () => {
    const slots = slotsOf(2);
    const [held] = [slots.tryTake(agent, 'greedy')!, slots.tryTake(agent, 'greedy')!];
    slots.attach(new FixedBacklog({ greedy: Infinity }));
    const light = slots.soon(agent, 'light', LONG_MS);
    slots.giveBack(held);
    expect(await light).toBeDefined();
  });

  it('is not kept from others by one that has no room', async () => {
    const slots = slotsOf(2);
    const narrow = { id: 'narrow', concurrency: 1 } as Agent;
    slots.tryTake(narrow, 'a');
    void slots.forJob(narrow, 'a', 1);
    expect(slots.tryTake(agent, 'a')).toBeDefined();
  });

  it('is expected soon where slots come back quickly, and not where nobody knows', () => {
    const slots = slotsOf(2);
    expect(slots.expectedWaitMs('a')).toBe(Infinity);
    for (let i = 0; i < 10; i++) slots.giveBack(slots.tryTake(agent, 'a')!);
    const alone = slots.expectedWaitMs('a');
    expect(alone).toBeLessThan(1_000);
    slots.attach(new FixedBacklog({ a: Infinity }));
    expect(slots.expectedWaitMs('a')).toBe(Infinity);
    expect(slots.expectedWaitMs('b')).toBeLessThan(2_000);
  });
});
