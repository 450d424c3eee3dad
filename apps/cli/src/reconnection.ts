import { setTimeout as delay } from 'node:timers/promises';
import { TransportError } from './call-error.js';
import { type Target } from './target.js';
import { type Terminal } from './terminal.js';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * How a command outlives the server. From a failed call to the next {@link contact}, or to a line that holds again, is one
 * outage: the person is told of it once, and it lasts no longer than the target's patience.
 */
export class Reconnection {
  private lostAt: number | undefined;
  private backAt = Infinity;
  private pauseMs = FIRST_PAUSE_MS;

  constructor(
    private readonly target: Pick<Target, 'patienceMs' | 'reach'>,
    private readonly terminal: Terminal,
  ) {}

  /** To be called when the server has answered what was asked of it. */
  contact(): void {
    this.lostAt = undefined;
    this.backAt = Infinity;
    this.pauseMs = FIRST_PAUSE_MS;
  }

  /** Waits a while, longer each time until the next contact. */
  async pause(atMostMs = LONGEST_PAUSE_MS): Promise<void> {
    await delay(Math.min(this.pauseMs, atMostMs));
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
  }

  /** Resolves when the server can be reached again after the error. Rejects with the error's text when patience is over. */
  async after(error: Error): Promise<void> {
    // A stream on which nothing happens brings no contact; one that has stood longer than any pause is no failed try.
    if (Date.now() - this.backAt > LONGEST_PAUSE_MS) this.contact();
    const isNew = this.lostAt === undefined;
    this.lostAt ??= Date.now();
    const leftMs = this.leftMs(error);
    if (isNew) this.terminal.note('Connection lost, waiting for the server …');
    this.terminal.progress.show('waiting for the server');
    await this.pause(leftMs);
    while (!(await this.isBack())) {
      await this.pause(this.leftMs(error));
    }
    this.backAt = Date.now();
    if (isNew) this.terminal.note('Back again, the task goes on.');
  }

  private async isBack(): Promise<boolean> {
    return this.target.reach().then(
      () => true,
      () => false,
    );
  }

  /** Milliseconds of patience; throws when there are none. */
  private leftMs(error: Error): number {
    const leftMs = (this.lostAt ?? 0) + this.target.patienceMs - Date.now();
    if (leftMs > 0) return leftMs;
    throw new TransportError(`${error.message}\nThe server did not come back in time (--patience).`, false, {
      cause: error,
    });
  }
}
