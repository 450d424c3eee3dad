import { type RunWaits } from './run-waits.js';

/**
 * Notices when a handler gives no sign of life for too long. What the server itself is at, such as a commit, is no
 * silence, nor is a step with a timeout of its own; a wait beside something else is.
 */
export class RunActivity {
  /** Calls on the task that are under way, but for those that wait for code of the handler. */
  private calls = 0;
  private seenAt = performance.now();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limitMs: number,
    private readonly waits: RunWaits,
    private readonly onSilence: () => void,
  ) {
    this.lookIn(limitMs);
  }

  /** A call on the task has begun. */
  begin(): void {
    this.calls++;
    this.seenAt = performance.now();
  }

  /** A call on the task has ended, or waits for code of the handler. */
  end(): void {
    this.calls--;
    this.seenAt = performance.now();
  }

  /** The run is over. */
  stop(): void {
    clearTimeout(this.timer);
  }

  private lookIn(ms: number): void {
    this.timer = setTimeout(() => this.look(), ms);
  }

  private look(): void {
    const silentMs = this.calls > this.waits.waiting ? 0 : performance.now() - this.seenAt;
    // A timer may fire a little before its time.
    if (silentMs > this.limitMs - 1) this.onSilence();
    else this.lookIn(this.limitMs - silentMs);
  }
}
