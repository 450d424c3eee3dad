import { type Config } from '#platform';

/** When a delivery that has failed is tried again. */
export class RetrySchedule {
  /** `random` gives numbers from 0 to 1. */
  constructor(
    private readonly config: Pick<Config, 'pushRetryMs' | 'pushRetryAfterMs'>,
    private readonly random: () => number = Math.random,
  ) {}

  /**
   * Milliseconds until the next attempt after so many failures: ±20 %, so that retries spread, and not before the time that
   * the receiver asks for, within the bound. Undefined where it is given up.
   */
  pause(failures: number, retryAfterMs = 0): number | undefined {
    const planned = this.config.pushRetryMs[failures];
    if (planned === undefined) return undefined;
    const spread = planned * (0.8 + 0.4 * this.random());
    return Math.round(Math.max(spread, this.bounded(retryAfterMs)));
  }

  /** How long the receiver is left alone where it asks for that. */
  bounded(retryAfterMs: number): number {
    return Math.min(retryAfterMs, this.config.pushRetryAfterMs);
  }
}
