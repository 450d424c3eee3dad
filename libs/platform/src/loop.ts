import { setTimeout as delay } from 'node:timers/promises';
import { type Logger } from './logger.js';

/**
 * Work that is done again and again, after a pause or when something wakes it. It may answer with the milliseconds to
 * its next piece of work, where that is sooner. A failure is logged and tried again.
 */
export class Loop {
  private readonly stopping = new AbortController();
  private pause = new AbortController();
  private running: Promise<void> | undefined;
  private onStop: (() => void) | undefined;

  constructor(
    private readonly name: string,
    private readonly pauseMs: number,
    private readonly logger: Logger,
    private readonly work: () => Promise<number | undefined | void>,
  ) {}

  start(onStop?: () => void): void {
    this.onStop = onStop;
    this.running = this.run();
  }

  /** Does the work now, or once more if it is being done. */
  wake(): void {
    this.pause.abort();
  }

  /** Resolves when the work under way is done. */
  async stop(): Promise<void> {
    this.onStop?.();
    this.stopping.abort();
    this.wake();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.pause = new AbortController();
      let pauseMs = this.pauseMs;
      try {
        pauseMs = Math.min(pauseMs, (await this.work()) ?? pauseMs);
      } catch (error) {
        this.logger.warn({ err: error }, `${this.name}.failed`);
      }
      await delay(pauseMs, undefined, { signal: this.pause.signal, ref: false }).catch(() => undefined);
    }
  }
}
