import { type JournalRecord, type Store, type WaitingSignal } from '#store';
import { type ClaimedRun } from '#tasks';
import { type DueTime, type RunWaits, type Strand } from './run-waits.js';

/**
 * The signals of a run's task, for the calls that wait for them. They are read when a call begins to wait, and again when
 * the run is told of another; one that was missed all the same is noticed when the run comes to rest.
 */
export class RunSignals {
  /** How many signals the calls that wait have been shown. */
  private shown = 0;
  private waiting: readonly WaitingSignal[] = [];
  private isStale = false;
  private reading: Promise<void> | undefined;
  private earlier: Promise<Map<number, string>> | undefined;

  constructor(
    private readonly run: ClaimedRun,
    private readonly store: Store,
    private readonly waits: RunWaits,
  ) {}

  /** How many have come, as far as the run has seen: it may rest only while there are no more. */
  get seen(): number {
    return this.shown;
  }

  /** The number of the oldest signal of the name that no call has taken, once there is one; undefined when the time is over. */
  async next(strand: Strand, name: string, until?: DueTime): Promise<number | undefined> {
    await this.refresh();
    const there = this.take(name);
    if (there !== undefined || (until && until.ms <= 0)) return there;
    const heard = await this.waits.listen(strand, name, until);
    if (heard !== undefined) return heard;
    // One may have come in time that the run was not told of.
    await this.refresh();
    return this.take(name);
  }

  /** The task has a new signal: that concerns the calls that wait, and those that have looked but do not wait yet. */
  async hear(): Promise<void> {
    if (this.reading || this.waits.listens) await this.refresh();
  }

  /** Shows what has come to the calls that wait for it. */
  async refresh(): Promise<void> {
    // A read that is under way may have looked before this.
    this.isStale = true;
    await (this.reading ??= this.read());
  }

  /** The value, as JSON, of a signal that a call has taken. */
  async value(ordinal: number): Promise<string> {
    this.earlier ??= this.values(this.run.records.flatMap(takenBy));
    const value = (await this.earlier).get(ordinal) ?? (await this.values([ordinal])).get(ordinal);
    if (value === undefined) throw new Error(`signal ${ordinal} of the task is gone`);
    return value;
  }

  private take(name: string): number | undefined {
    const found = this.waiting.find((signal) => signal.name === name);
    this.waiting = this.waiting.filter((signal) => signal !== found);
    return found?.ordinal;
  }

  private async read(): Promise<void> {
    try {
      while (this.isStale) {
        this.isStale = false;
        const { count, waiting } = await this.store.signals.inbox(this.store.db, this.run.lease, this.shown);
        // What a run that rests has seen is settled: nobody who waits would hear of more.
        if (this.waits.hasEnded) return;
        this.shown = count;
        this.waiting = [...this.waiting, ...waiting].filter(({ name, ordinal }) => !this.waits.hear(name, ordinal));
      }
    } finally {
      this.reading = undefined;
    }
  }

  private async values(ordinals: readonly number[]): Promise<Map<number, string>> {
    return ordinals.length === 0 ? new Map() : this.store.signals.values(this.store.db, this.run.lease, ordinals);
  }
}

/** The signal that a recorded call has taken, if any. */
function takenBy({ kind, value }: JournalRecord): number[] {
  return kind === 'waitFor' && value !== null ? [Number(value)] : [];
}
