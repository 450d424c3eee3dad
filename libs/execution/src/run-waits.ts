/** Node's timers fire at once beyond this, about 24.8 days; no run lasts that long. */
const TIMER_MAX = 2 ** 31 - 1;

/** One line of calls: the handler's own, or that of a branch. */
export interface Strand {
  readonly parent: Strand | undefined;
  /** Calls in which it waits: for a time, or for branches of its own. None: it is at work, as far as anybody knows. */
  waits: number;
  /** Those of them that wait for branches. */
  splits: number;
}

/**
 * The run ends in the middle of its turn, until the time `due` has come, or a signal where it `listens`. Where it does
 * neither, it waits for the client.
 */
export class Rest {
  constructor(
    readonly due?: Date,
    readonly listens = false,
  ) {}
}

/** A time by the shared clock, and in how many milliseconds that is. */
export interface DueTime {
  readonly due: number;
  readonly ms: number;
}

/** Who waits for a time, for a signal of a name, or for what comes first. */
interface Waiter {
  readonly strand: Strand;
  readonly due: number | undefined;
  readonly timer: NodeJS.Timeout | undefined;
  readonly name: string | undefined;
  wake(signal?: number): void;
  reject(error: Error): void;
}

interface FailedSplit {
  readonly strand: Strand;
  fail(): void;
}

/**
 * Who waits in a turn and who works. While anybody works, the run goes on, and what waits beside it is woken in
 * time. When all strands wait and no step is under way, the run rests: it ends until the first of its times has come, or
 * a signal, where one is waited for.
 */
export class RunWaits {
  /** The handler itself. */
  readonly handler: Strand = { parent: undefined, waits: 0, splits: 0 };
  private readonly strands = new Set([this.handler]);
  private readonly waiters = new Set<Waiter>();
  private readonly failed = new Set<FailedSplit>();
  private steps = 0;
  private dropped = 0;
  private questions = 0;
  private onIdle: (() => void)[] = [];
  private onRest: ((rest: Rest) => void) | undefined;
  private looking: NodeJS.Immediate | undefined;
  private isOver = false;

  /** Calls the listener when the run ends in the middle of its turn. */
  whenResting(listener: (rest: Rest) => void): void {
    this.onRest = listener;
  }

  /** A step is under way: it has an effect outside, and is recorded before the run ends. */
  beginStep(): void {
    this.steps++;
  }

  endStep(): void {
    if (--this.steps > 0) return;
    for (const resolve of this.onIdle.splice(0)) resolve();
    this.look();
  }

  /** A question ends the run by itself when no step is under way; until then nothing else does. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    this.questions++;
    try {
      if (this.steps > 0) await new Promise<void>((resolve) => this.onIdle.push(resolve));
      return await question();
    } finally {
      this.questions--;
      this.look();
    }
  }

  /** The run has ended with a question to the client. */
  asked(): void {
    this.stop();
    this.onRest?.(new Rest());
  }

  /** Whether the run has ended, or is about to. */
  get hasEnded(): boolean {
    return this.isOver;
  }

  /** How many calls wait in this run, or are left behind by one that did. */
  get waiting(): number {
    return this.waiters.size + this.onIdle.length + this.dropped;
  }

  /** Whether somebody waits for a signal. */
  get listens(): boolean {
    return [...this.waiters].some(({ name }) => name !== undefined);
  }

  /** Resolves at the due time, `ms` from now, where the run is still at work then; where it rests before, it never does. */
  async sleep(strand: Strand, due: number, ms: number): Promise<void> {
    await this.wait(strand, { due, ms }, undefined);
  }

  /** The same for a signal of the name, with its number, or for the time, if one is given, with undefined. */
  listen(strand: Strand, name: string, until?: DueTime): Promise<number | undefined> {
    return this.wait(strand, until, name);
  }

  /** Wakes the one who has waited longest for a signal of the name; false where nobody does. */
  hear(name: string, signal: number): boolean {
    for (const waiter of this.waiters) {
      if (waiter.name !== name) continue;
      waiter.wake(signal);
      return true;
    }
    return false;
  }

  /** The same for a step between two attempts: it is not under way meanwhile. */
  async pauseStep(strand: Strand, due: number, ms: number): Promise<void> {
    const woken = this.sleep(strand, due, ms);
    this.endStep();
    try {
      await woken;
    } finally {
      this.beginStep();
    }
  }

  /** Strands beside each other, which `parent` waits for. */
  split(parent: Strand, count: number): Strand[] {
    parent.waits++;
    parent.splits++;
    const strands = Array.from({ length: count }, () => ({ parent, waits: 0, splits: 0 }));
    for (const strand of strands) this.strands.add(strand);
    return strands;
  }

  /** A strand has come to its end. */
  leave(strand: Strand): void {
    this.strands.delete(strand);
    this.look();
  }

  /** Calls the listener when nobody works any more: a failure lets the others go on until then, and no further. */
  whenQuiet(parent: Strand, listener: () => void): void {
    this.failed.add({ strand: parent, fail: listener });
    this.look();
  }

  /** Takes strands back together; those that still wait, with all that came of them, are dropped. */
  join(parent: Strand, strands: readonly Strand[]): void {
    parent.waits--;
    parent.splits--;
    const isDropped = (strand: Strand | undefined): boolean =>
      strand !== undefined && (strands.includes(strand) || isDropped(strand.parent));
    for (const strand of this.strands) if (isDropped(strand)) this.strands.delete(strand);
    for (const split of this.failed) if (isDropped(split.strand)) this.failed.delete(split);
    for (const waiter of this.waiters) {
      if (!isDropped(waiter.strand)) continue;
      this.drop(waiter);
      this.dropped++;
    }
  }

  /** The run is over: nothing is woken any more. What waits fails with `error`, where there is one. */
  stop(error?: Error): void {
    this.isOver = true;
    clearImmediate(this.looking);
    for (const waiter of this.waiters) {
      this.drop(waiter);
      if (error) waiter.reject(error);
    }
  }

  private wait(strand: Strand, until: DueTime | undefined, name: string | undefined): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      if (this.isOver) return;
      const wake = (signal?: number) => {
        this.drop(waiter);
        strand.waits--;
        resolve(signal);
      };
      const timer = until && until.ms <= TIMER_MAX ? setTimeout(wake, until.ms) : undefined;
      const waiter: Waiter = { strand, due: until?.due, timer, name, wake, reject };
      this.waiters.add(waiter);
      strand.waits++;
      this.look();
    });
  }

  private drop(waiter: Waiter): void {
    clearTimeout(waiter.timer);
    this.waiters.delete(waiter);
  }

  /** After this turn of the event loop: what has just ended may go on with the next thing at once. */
  private look(): void {
    if (this.waiters.size === 0 && this.failed.size === 0) return;
    clearImmediate(this.looking);
    this.looking = setImmediate(() => this.restIfQuiet());
  }

  private restIfQuiet(): void {
    if (this.steps > 0 || this.questions > 0) return;
    for (const { waits } of this.strands) if (waits === 0) return;
    const [split] = this.failed;
    if (split) {
      this.failed.delete(split);
      split.fail();
      this.look();
    } else if (this.waiters.size > 0) {
      const { listens } = this;
      const times = Array.from(this.waiters, ({ due }) => due).filter((due) => due !== undefined);
      this.stop();
      this.onRest?.(new Rest(times.length > 0 ? new Date(Math.min(...times)) : undefined, listens));
    }
  }
}
