import { type RecordedCall } from './run-journal.js';
import { type RunTurn } from './run-turn.js';
import { type DueTime, type Strand } from './run-waits.js';

/** One call that waits for a signal: which one it has taken is recorded, before anything else happens. */
export class DurableWait {
  constructor(
    private readonly turn: RunTurn,
    private readonly strand: Strand,
    private readonly call: RecordedCall,
    private readonly name: string,
    private readonly timeoutMs?: number,
  ) {}

  /** The signal's value; undefined when the time was over before one came. */
  async result(): Promise<unknown> {
    const taken = this.call.recorded ? this.call.recorded.value : await this.take();
    return taken === null ? undefined : JSON.parse(await this.turn.signals.value(Number(taken)));
  }

  private async take(): Promise<string | null> {
    const { signals, writer } = this.turn;
    const ordinal = await signals.next(this.strand, this.name, await this.dueTime());
    const taken = ordinal === undefined ? null : String(ordinal);
    await writer.record(this.call.record(taken));
    return taken;
  }

  /** When the wait is over, where it has an end: recorded when it begins, so that a replay waits for what is left. */
  private async dueTime(): Promise<DueTime | undefined> {
    if (this.timeoutMs === undefined) return undefined;
    const { clock, writer } = this.turn;
    const timeout = this.call.within().next('timeout', this.name);
    const now = await clock.now();
    const due = timeout.recorded ? Date.parse(JSON.parse(timeout.recorded.value!) as string) : now + this.timeoutMs;
    if (!timeout.recorded) await writer.note(timeout.record(JSON.stringify(new Date(due))));
    return { due, ms: due - now };
  }
}
