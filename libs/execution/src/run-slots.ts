import { setTimeout as delay } from 'node:timers/promises';
import { type Agent } from '#agents';

/** Room for runs in this process: so many in all, and so many of an agent that sets a limit of its own. */
export class RunSlots {
  private used = 0;
  private readonly usedBy = new Map<string, number>();
  private readonly waiting: { readonly agent: Agent; take(): void }[] = [];
  private onIdle: (() => void)[] = [];
  private onFree: (() => void)[] = [];

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
    if (this.used > 0) await atMost(ms, (resolve) => this.onIdle.push(resolve));
    return this.used === 0;
  }

  /** Resolves when there is a slot that nobody waits for, at once or within `ms`, or when `signal` aborts. */
  async spare(ms: number, signal: AbortSignal): Promise<void> {
    if (this.free > 0 || signal.aborted) return;
    await atMost(ms, (resolve) => this.onFree.push(resolve), signal);
  }

  giveBack(agent: Agent): void {
    this.used--;
    if (this.used === 0) for (const resolve of this.onIdle.splice(0)) resolve();
    this.usedBy.set(agent.id, (this.usedBy.get(agent.id) ?? 1) - 1);
    const next = this.waiting.find((waiter) => this.hasRoom(waiter.agent));
    if (next) {
      this.take(next.agent);
      next.take();
    }
    if (this.free > 0) for (const resolve of this.onFree.splice(0)) resolve();
  }

  private take(agent: Agent): void {
    this.used++;
    this.usedBy.set(agent.id, (this.usedBy.get(agent.id) ?? 0) + 1);
  }
}

/** Resolves when it is told to, after `ms`, or when `signal` aborts. */
async function atMost(ms: number, tell: (resolve: () => void) => void, signal?: AbortSignal): Promise<void> {
  const cancel = new AbortController();
  const told = new Promise<void>(tell);
  const ends = signal ? AbortSignal.any([signal, cancel.signal]) : cancel.signal;
  await Promise.race([told, delay(ms, undefined, { signal: ends }).catch(() => undefined)]);
  cancel.abort();
}
