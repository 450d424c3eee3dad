import { setTimeout as delay } from 'node:timers/promises';
import { type Config, type Logger, type Signals } from '#platform';
import { type Lease, leaseKey, type Store, type TaskKey } from '#store';
import { ABORT_SIGNALS, TASK_SIGNALS, topicKey } from '#tasks';
import { ActiveRun } from './active-run.js';

/**
 * The runs of this process and their leases: renews them at a third of their time, and stops a run whose lease is lost,
 * could not be renewed in time, or whose task was canceled.
 */
export class ActiveRuns {
  /** Each knows its place: runs come and go by the thousand, and a Map would keep them alive (see TaskStreams). */
  private readonly runs: ActiveRun[] = [];
  private readonly stopping = new AbortController();
  private unsubscribe: (() => void)[] = [];
  private renewing: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly signals: Signals,
    private readonly config: Pick<Config, 'leaseMs'>,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.unsubscribe = [
      this.signals.subscribe(ABORT_SIGNALS, (keys) => {
        // A signal may come late, when another run of the task is under way here: the lease tells which one is meant.
        const isMeant = (run: ActiveRun) => keys === 'all' || keys.has(topicKey(run.lease));
        void this.renew(isMeant);
        // Others may see a task, and cancel it, before this process hears that it is committed.
        for (const run of this.runs) if (!run.hasLease && isMeant(run)) void this.renewOnceAccepted(run);
      }),
      this.signals.subscribe(TASK_SIGNALS, (keys) => {
        for (const run of this.runs) if (keys === 'all' || keys.has(topicKey(run.lease))) run.signaled();
      }),
    ];
    void this.keepLeases();
  }

  stop(): void {
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    this.stopping.abort();
  }

  get size(): number {
    return this.runs.length;
  }

  /** Whether a run of the task is under way here, as far as this process knows. */
  has({ tenantId, taskId }: TaskKey): boolean {
    return this.runs.some(({ lease }) => lease.taskId === taskId && lease.tenantId === tenantId);
  }

  add(lease: Lease, accepted?: Promise<void>): ActiveRun {
    const run = new ActiveRun(lease, accepted);
    run.place = this.runs.push(run) - 1;
    return run;
  }

  remove(run: ActiveRun): void {
    const last = this.runs.pop()!;
    if (last !== run) {
      this.runs[run.place] = last;
      last.place = run.place;
    }
    run.place = -1;
  }

  abortAll(reason: string): ActiveRun[] {
    const runs = [...this.runs];
    for (const run of runs) run.abort(reason);
    return runs;
  }

  private async keepLeases(): Promise<void> {
    const interval = this.config.leaseMs / 3;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await delay(interval, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      // The last renewal may have no answer yet, and never get one.
      if (this.renewing) this.abortExpired();
      // A run younger than half an interval is renewed the next time: most runs end before that.
      const due = (run: ActiveRun) => performance.now() - run.renewedAt >= interval / 2;
      this.renewing ??= this.renew(due).finally(() => (this.renewing = undefined));
    }
  }

  private async renewOnceAccepted(run: ActiveRun): Promise<void> {
    // Where the task is not accepted, the run is stopped.
    await run.accepted.catch(() => undefined);
    await this.renew((other) => other === run);
  }

  private async renew(isDue: (run: ActiveRun) => boolean): Promise<void> {
    const now = performance.now();
    const due = this.runs.filter((run) => run.hasLease && isDue(run));
    if (due.length === 0) return;
    try {
      const held = await this.store.leases.renew(
        this.store.leaseDb,
        due.map(({ lease }) => lease),
        this.config.leaseMs,
      );
      for (const run of due) {
        if (held.has(leaseKey(run.lease))) run.renewedAt = now;
        else if (run.place >= 0) run.abort('the lease is lost');
      }
    } catch (error) {
      this.logger.warn({ err: error, runs: due.length }, 'lease.renewal_failed');
      this.abortExpired();
    }
  }

  private abortExpired(): void {
    for (const run of [...this.runs]) {
      if (run.hasLease && performance.now() - run.renewedAt > this.config.leaseMs) run.abort('the lease has run out');
    }
  }
}
