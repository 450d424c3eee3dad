import { lengthOutside } from '../standstills.js';
import { grouped } from './grouped.js';
import { type ChaosHistory, type Check, type LeaseChange } from './history.js';

const BAR_MS = 10_000;

/** How long a task that a process held when it was killed waited for its next run. */
export interface Recovery {
  readonly task: string;
  readonly process: string;
  /** From the kill to the next claim. */
  readonly ms: number;
  /** The same without the time in which no worker could have taken it over. */
  readonly withWorkerMs: number;
}

/** The 99th percentile of the recoveries stays below ten seconds. */
export const recovery: Check = (history) => {
  const p99 = percentile(
    recoveries(history).map(({ withWorkerMs }) => withWorkerMs),
    0.99,
  );
  if (p99 === undefined || p99 < BAR_MS) return [];
  return [{ kind: 'slow recovery', fact: `p99 of kill to resume is ${Math.round(p99)} ms` }];
};

/** One for each kill and each task that its process held and that somebody took over. */
export function recoveries({ kills, database, standstills }: ChaosHistory): Recovery[] {
  const tasks = grouped(database.leases, ({ task }) => task);
  return kills.flatMap(({ at, pid, process }) =>
    [...tasks].flatMap(([task, changes]) => {
      const next = successor(changes, at, pid);
      if (!next) return [];
      const withWorkerMs = lengthOutside({ from: at, to: next.at }, standstills);
      return [{ task, process, ms: next.at - at, withWorkerMs }];
    }),
  );
}

/** Undefined where the process did not hold it, gave it back as it died, or it was over for all. */
function successor(changes: readonly LeaseChange[], at: number, pid: number): LeaseChange | undefined {
  const index = changes.findLastIndex((change) => change.at <= at);
  const held = changes[index];
  if (held?.owner?.split('/').at(-2) !== String(pid)) return undefined;
  const next = changes[index + 1];
  return next && next.token > held.token && next.owner !== null ? next : undefined;
}

/** The value below which that share of the values lies; undefined where there are none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)];
}
