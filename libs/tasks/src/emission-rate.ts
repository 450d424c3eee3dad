/** What a run has not emitted it may catch up on, up to what it may emit in so many seconds. */
const BURST_SECONDS = 10;

/** How fast one run may emit: so many events a second, and ten seconds' worth of them at once. */
export class EmissionRate {
  private left: number;
  private countedAt: number;

  /** @param now monotonic milliseconds. */
  constructor(
    private readonly perSecond: number,
    now = performance.now(),
  ) {
    this.left = perSecond * BURST_SECONDS;
    this.countedAt = now;
  }

  /** Counts one event; false where it comes too soon, and does not count. */
  take(now = performance.now()): boolean {
    const gained = ((now - this.countedAt) / 1_000) * this.perSecond;
    this.left = Math.min(this.left + gained, this.perSecond * BURST_SECONDS);
    this.countedAt = now;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}
