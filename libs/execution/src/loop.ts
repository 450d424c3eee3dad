import { setTimeout as delay } from 'node:timers/promises';
import { type Logger } from '#platform';

/** Work that is done again and again, after a pause or when something wakes it. A failure is logged and tried again. */
export class Loop {
  private readonly stopping = new AbortController();
  private pause = new AbortController();
  private running: Promise<void> | undefined;
  private onStop: (() => void) | undefined;

  constructor(
    private readonly name: string,
    private readonly pauseMs: number,
    private readonly logger: Logger,
    private readonly work: () => Promise<void>,
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
      try {
        await this.work();
      } catch (error) {
        this.logger.warn({ err: error }, `${this.name}.failed`);
      }
      await delay(this.pauseMs, undefined, { signal: this.pause.signal, ref: false }).catch(() => undefined);
    }
  }
}
