import { type Interval } from './checks/history.js';

/** Something that kept a process, or all of them, from working. */
export interface Disturbance extends Interval {
  readonly on: string;
}

/** When none of the workers could work: Postgres was away, or something was wrong with each of them. */
export function standstills(disturbances: readonly Disturbance[], workers: readonly string[]): Interval[] {
  const times = [...new Set(disturbances.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  const found: Interval[] = [];
  for (const [index, from] of times.slice(0, -1).entries()) {
    const to = times[index + 1]!;
    const hit = disturbances.filter((each) => each.from < to && each.to > from);
    const isStill = workers.every((name) => hit.some(({ on }) => on === 'all' || on === name));
    if (!isStill) continue;
    if (found.at(-1)?.to === from) found.splice(-1, 1, { from: found.at(-1)!.from, to });
    else found.push({ from, to });
  }
  return found;
}

/** The part of an interval that lies outside of these others, in milliseconds. */
export function lengthOutside({ from, to }: Interval, others: readonly Interval[]): number {
  const inside = others.map((other) => Math.max(0, Math.min(to, other.to) - Math.max(from, other.from)));
  return to - from - inside.reduce((sum, length) => sum + length, 0);
}
