import { setTimeout as delay } from 'node:timers/promises';
import { type Agent } from '#agents';

/** Room for runs in this process: so many in all, and so many of an agent that sets a limit of its own. */
export class RunSlots {
  private used = 0;
  private readonly usedBy = new Map<string, number>();
  private readonly waiting: { readonly agent: Agent; take(): void }[] = [];
  private onIdle: (() => void)[] = [];

  constructor(private readonly limit: number) {}

  get free(): number {
    return this.limit - this.used;
  }

  hasRoom(agent: Agent): boolean {
    return this.used < this.limit && (this.usedBy.get(agent.id) ?? 0) < (agent.concurrency ?? Infinity);
  }

  /** Takes a slot at once; false where there is none, or others have waited for longer. */
  tryTake(agent: Agent): boolean {
    if (!this.hasRoom(agent)) return false;
    this.take(agent);
    return true;
  }

  /** Takes a slot as soon as there is one; rejects when `signal` aborts first. */
  async wait(agent: Agent, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.tryTake(agent)) return;
    await new Promise<void>((resolve, reject) => {
      const waiter = { agent, take: () => done(resolve) };
      const done = (settle: () => void) => {
        signal.removeEventListener('abort', aborted);
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        settle();
      };
      const aborted = () => done(() => reject(signal.reason as Error));
      this.waiting.push(waiter);
      signal.addEventListener('abort', aborted, { once: true });
    });
  }

  /** Whether every slot is back, at once or within `ms`. */
  async idle(ms: number): Promise<boolean> {
    if (this.used === 0) return true;
    const cancel = new AbortController();
    const none = new Promise<void>((resolve) => this.onIdle.push(resolve));
    await Promise.race([none, delay(ms, undefined, { signal: cancel.signal }).catch(() => undefined)]);
    cancel.abort();
    return this.used === 0;
  }

  giveBack(agent: Agent): void {
    this.used--;
    if (this.used === 0) for (const resolve of this.onIdle.splice(0)) resolve();
    this.usedBy.set(agent.id, (this.usedBy.get(agent.id) ?? 1) - 1);
    const next = this.waiting.find((waiter) => this.hasRoom(waiter.agent));
    if (!next) return;
    this.take(next.agent);
    next.take();
  }

  private take(agent: Agent): void {
    this.used++;
    this.usedBy.set(agent.id, (this.usedBy.get(agent.id) ?? 0) + 1);
  }
}
