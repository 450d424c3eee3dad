import { type Logger } from '#platform';

/** What has been started, to be stopped in the opposite order, once. */
export class Teardown {
  private readonly steps: { readonly name: string; readonly stop: () => Promise<void> }[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly logger: Logger) {}

  add(name: string, stop: () => Promise<void>): void {
    this.steps.push({ name, stop });
  }

  /** A step that fails is logged, and the others go on. */
  run(): Promise<void> {
    this.running ??= this.stopAll();
    return this.running;
  }

  private async stopAll(): Promise<void> {
    for (const { name, stop } of this.steps.reverse()) {
      try {
        await stop();
      } catch (error) {
        this.logger.warn({ err: error, part: name }, 'stop.failed');
      }
    }
  }
}
