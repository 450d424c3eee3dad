import { describe, expect, it } from 'vitest';
import { TenantShares } from './tenant-shares.js';

interface Tenant {
  readonly runMs: number;
  /** When its backlog begins and ends; without an end it always has jobs. */
  readonly from?: number;
  readonly until?: number;
}

/** Deals slots for so many milliseconds of simulated time; answers with the slot time and the runs that each tenant had. */
function simulate(tenants: Record<string, Tenant>, { slots, ms }: { slots: number; ms: number }) {
  let now = 0;
  const shares = new TenantShares(() => now);
  const had = Object.fromEntries(Object.keys(tenants).map((name) => [name, { time: 0, runs: 0, firstAt: -1 }]));
  const running: { readonly endsAt: number; readonly end: () => void }[] = [];
  shares.contend(true);
  for (; now < ms; now++) {
    for (const run of running.filter(({ endsAt }) => endsAt <= now)) {
      running.splice(running.indexOf(run), 1);
      run.end();
    }
    const waiting = Object.keys(tenants).filter(
      (name) => now >= (tenants[name]!.from ?? 0) && now < (tenants[name]!.until ?? ms),
    );
    while (running.length < slots) {
      const name = shares.next(waiting);
      if (name === undefined) break;
      const share = shares.begin(name);
      const { runMs } = tenants[name]!;
      const total = had[name]!;
      if (total.firstAt < 0) total.firstAt = now;
      const end = () => {
        shares.end(share);
        total.time += runMs;
        total.runs++;
      };
      running.push({ endsAt: now + runMs, end });
    }
  }
  return { had, shares };
}

/** Jain's index: 1 where all have the same, 1/n where one has everything. */
function jain(values: readonly number[]): number {
  const sum = values.reduce((a, b) => a + b, 0);
  return sum ** 2 / (values.length * values.reduce((a, b) => a + b * b, 0));
}

describe(TenantShares, () => {
  it('gives ten equal tenants the same', () => {
    const tenants = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`t${i}`, { runMs: 20 }]));
    const { had } = simulate(tenants, { slots: 7, ms: 10_000 });
    expect(jain(Object.values(had).map(({ runs }) => runs))).toBeGreaterThan(0.999);
  });

  it('shares time, not counts, between long and short runs', () => {
    const { had } = simulate({ long: { runMs: 1_000 }, short: { runMs: 10 } }, { slots: 10, ms: 60_000 });
    expect(jain([had.long!.time, had.short!.time])).toBeGreaterThan(0.99);
    expect(had.short!.runs / had.long!.runs).toBeGreaterThan(80);
  });

  it('lets many tenants with runs of many lengths have the same time', () => {
    const tenants = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`t${i}`, { runMs: 5 * (i + 1) ** 2 }]));
    const { had } = simulate(tenants, { slots: 8, ms: 120_000 });
    expect(jain(Object.values(had).map(({ time }) => time))).toBeGreaterThan(0.99);
  });

  it('gives a newcomer the next slot, however long others have been at it', () => {
    const { had } = simulate({ old: { runMs: 50 }, young: { runMs: 50, from: 30_010 } }, { slots: 4, ms: 31_000 });
    expect(had.young!.firstAt).toBeLessThanOrEqual(30_060);
  });

  it('gives a newcomer no more than its share for the time it was away', () => {
    const tenants = { old: { runMs: 20 }, young: { runMs: 20, from: 30_000 } };
    const before = simulate({ old: tenants.old }, { slots: 4, ms: 30_000 }).had.old!.runs;
    const { had } = simulate(tenants, { slots: 4, ms: 40_000 });
    expect(jain([had.old!.runs - before, had.young!.runs])).toBeGreaterThan(0.99);
  });

  it('charges a run that does not end while it is under way', () => {
    // One tenant holds half of the slots for good: what comes free goes to the other.
    let now = 0;
    const shares = new TenantShares(() => now);
    shares.contend(true);
    for (let i = 0; i < 2; i++) shares.begin('endless');
    now = 10_000;
    const turns = Array.from({ length: 20 }, () => {
      const tenant = shares.next(['endless', 'other'])!;
      const share = shares.begin(tenant);
      now += 10;
      shares.end(share);
      return tenant;
    });
    expect(turns).toEqual(turns.map(() => 'other'));
  });

  it('charges nobody for slots that nobody waited for', () => {
    let now = 0;
    const shares = new TenantShares(() => now);
    const early = shares.begin('early');
    now = 60_000;
    shares.contend(true);
    shares.end(early);
    expect(shares.next(['early', 'late'])).toBe('early');
  });

  it('charges nothing for a slot that was not used', () => {
    const shares = new TenantShares(() => 0);
    shares.contend(true);
    for (let i = 0; i < 100; i++) shares.undo(shares.begin('unlucky'));
    expect(shares.next(['unlucky', 'other'])).toBe('unlucky');
  });

  it('forgets tenants that run nothing and owe nothing', () => {
    let now = 0;
    const shares = new TenantShares(() => now);
    for (let i = 0; i < 10_000; i++) shares.end(shares.begin(`once-${i}`));
    expect(shares.size).toBe(0);
    shares.contend(true);
    for (let i = 0; i < 25_000; i++) {
      const share = shares.begin(`once-${i}`);
      now += 10;
      shares.end(share);
      expect(shares.next([`once-${i}`])).toBe(`once-${i}`);
    }
    expect(shares.size).toBeLessThanOrEqual(10_000);
    shares.contend(false);
    expect(shares.size).toBe(0);
  });

  it('has no turn for nobody', () => {
    expect(new TenantShares().next([])).toBeUndefined();
  });
});
