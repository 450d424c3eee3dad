const PER_SECOND = 2_000;
const TICK_MS = 20;
const PER_TICK = (PER_SECOND * TICK_MS) / 1_000;
/** Those beyond are refused at once: what waits is memory. */
const MAX_WAITING = 10_000;

/**
 * Lets refusals of an overloaded process out at a pace. A client that is refused at once comes again at once, and a few thousand of
 * those take all its time from the calls that it has accepted; one that waits for its refusal asks nothing on its connection.
 */
export class RefusalPace {
  private readonly waiting: (() => void)[] = [];
  private room = PER_TICK;
  private timer: NodeJS.Timeout | undefined;

  /** Calls `refuse`, which must not throw: at once, or in its turn where many others are refused. */
  take(refuse: () => void): void {
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
    if (this.room > 0) this.room--;
    else if (this.waiting.length < MAX_WAITING) return void this.waiting.push(refuse);
    refuse();
  }

  /** Lets all of them out. */
  stop(): void {
    this.rest();
    for (const refuse of this.waiting.splice(0)) refuse();
  }

  private tick(): void {
    // Nobody was refused since the last time.
    if (this.room === PER_TICK) return this.rest();
    const turn = this.waiting.splice(0, PER_TICK);
    this.room = PER_TICK - turn.length;
    for (const refuse of turn) refuse();
  }

  private rest(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
