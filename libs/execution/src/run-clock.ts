import { type Store } from '#store';

/** The time by the database's clock, which all workers share. Asked once in a run, and counted on from there. */
export class RunClock {
  private asked: { readonly time: number; readonly at: number } | undefined;

  constructor(private readonly store: Store) {}

  /** Milliseconds since 1970. Never behind the time of the run's claim. */
  async now(): Promise<number> {
    const { time, at } = (this.asked ??= await this.ask());
    return Math.floor(time + performance.now() - at);
  }

  private async ask() {
    const time = (await this.store.leases.now(this.store.db)).getTime();
    return { time, at: performance.now() };
  }
}
