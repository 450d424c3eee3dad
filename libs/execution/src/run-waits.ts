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

/** The run ends in the middle of its turn. `due`: when it has to go on; undefined where it waits for the client. */
export class Rest {
  constructor(readonly due?: Date) {}
}

interface Sleeper {
  readonly strand: Strand;
  readonly due: number;
  readonly timer: NodeJS.Timeout | undefined;
  reject(error: Error): void;
}

interface FailedSplit {
  readonly strand: Strand;
  fail(): void;
}

/**
 * Who waits in a turn and who works. While anybody works, the run goes on, and what sleeps beside it is woken in time.
 * When all strands wait and no step is under way, the run rests: it ends until the first of its times has come.
 */
export class RunWaits {
  /** The handler itself. */
  readonly handler: Strand = { parent: undefined, waits: 0, splits: 0 };
  private readonly strands = new Set([this.handler]);
  private readonly sleepers = new Set<Sleeper>();
  private readonly failed = new Set<FailedSplit>();
  private steps = 0;
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

  /** Resolves at the due time, `ms` from now, where the run is still at work then; where it rests before, it never does. */
  sleep(strand: Strand, due: number, ms: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.isOver) return;
      const wake = () => {
        this.sleepers.delete(sleeper);
        strand.waits--;
        resolve();
      };
      const timer = ms <= TIMER_MAX ? setTimeout(wake, ms) : undefined;
      const sleeper = { strand, due, timer, reject };
      this.sleepers.add(sleeper);
      strand.waits++;
      this.look();
    });
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
    for (const sleeper of this.sleepers) if (isDropped(sleeper.strand)) this.drop(sleeper);
  }

  /** The run is over: nothing is woken any more. What sleeps fails with `error`, where there is one. */
  stop(error?: Error): void {
    this.isOver = true;
    clearImmediate(this.looking);
    for (const sleeper of this.sleepers) {
      this.drop(sleeper);
      if (error) sleeper.reject(error);
    }
  }

  private drop(sleeper: Sleeper): void {
    clearTimeout(sleeper.timer);
    this.sleepers.delete(sleeper);
  }

  /** After this turn of the event loop: what has just ended may go on with the next thing at once. */
  private look(): void {
    if (this.sleepers.size === 0 && this.failed.size === 0) return;
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
    } else if (this.sleepers.size > 0) {
      const due = Math.min(...Array.from(this.sleepers, (sleeper) => sleeper.due));
      this.stop();
      this.onRest?.(new Rest(new Date(due)));
    }
  }
}
