import { grouped } from './grouped.js';
import { type Check, type LeaseChange, type StoredEvent, type Violation } from './history.js';
import { authorOf } from './records.js';

/**
 * Whoever writes holds the lease. The database has written down when each lease was claimed or taken away, and with which event;
 * each event of a handler names its run, and the run's own lines name its process. So an event belongs to the claim before
 * it, and must come from that claim's process; and once another run has written, none before it does.
 */
export const leases: Check = ({ handler, database }) => {
  const processes = new Map(handler.filter(({ kind }) => kind === 'run').map(({ run, pid }) => [run!, pid]));
  const changes = grouped(database.leases, ({ task }) => task);
  const logs = grouped(database.events, ({ task }) => task);
  return [...logs].flatMap(([task, log]) => {
    const facts = [...strangers(log, changes.get(task) ?? [], processes), ...returns(log)];
    return facts.map((fact): Violation => ({ kind: 'stale write', task, fact }));
  });
};

function strangers(
  log: readonly StoredEvent[],
  changes: readonly LeaseChange[],
  processes: ReadonlyMap<string, number>,
): string[] {
  return log.flatMap(({ sequence, event }) => {
    const run = authorOf(event);
    if (run === undefined) return [];
    const pid = processes.get(run);
    const holder = holderAt(changes, sequence);
    if (pid === undefined) return [`event ${sequence} is of the run ${run}, which nobody began`];
    // A task whose whole life is one commit is given back in it: no owner was ever seen.
    if (holder === undefined || (holder.owner === null && holder.sequence === 0 && holder.token === 1)) return [];
    if (holder.owner?.split('/').at(-2) === String(pid)) return [];
    return [`event ${sequence} is of process ${pid}; token ${holder.token} was ${holder.owner ?? "nobody's"}`];
  });
}

/** The newest change of the lease before that event; the end of a lease that comes with its last events is behind them. */
function holderAt(changes: readonly LeaseChange[], sequence: number): LeaseChange | undefined {
  const before = changes.filter((change) => change.sequence < sequence);
  const last = before.at(-1);
  const claim = before.findLast(({ owner }) => owner !== null);
  const isGivenBackWithIt = last?.owner === null && claim?.token === last.token;
  return isGivenBackWithIt ? claim : last;
}

/** A run that writes after another one has. */
function returns(log: readonly StoredEvent[]): string[] {
  const over = new Set<string>();
  let current: string | undefined;
  return log.flatMap(({ sequence, event }) => {
    const run = authorOf(event);
    if (run === undefined || run === current) return [];
    if (current !== undefined) over.add(current);
    current = run;
    return over.has(run) ? [`event ${sequence} is of the run ${run}, after one of its successor`] : [];
  });
}
