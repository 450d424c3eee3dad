import { type Agent } from '#agents';
import { type Share, type TenantShares } from './tenant-shares.js';

/** The pace is that of so many slots that came back last: commits bring them back many at once. */
const PACE_OF = 64;

/** Room for one run, in somebody's hands. */
export interface RunSlot {
  readonly agent: Agent;
  readonly share: Share;
}

/** Tenants whose jobs wait in the outbox, as far as they could run in this process. */
export interface Backlog {
  readonly isEmpty: boolean;
  tenants(): Iterable<string>;
  /** The priority of the tenant's next job: 0 high, 1 normal, 2 low; undefined where it has none. */
  priority(tenant: string): number | undefined;
  /** How many due jobs of the tenant wait; Infinity where nobody has counted them. */
  count(tenant: string): number;
  /** There is a slot, and it is the turn of one of them. */
  onTurn(): void;
}

interface Waiter {
  readonly agent: Agent;
  readonly tenant: string;
  /** Of a job that has left the outbox: it comes before equals in there. A task that is yet to be accepted comes last. */
  readonly priority: number;
  settle(slot: RunSlot | undefined): void;
}

/**
 * Room for runs in this process: so many in all, and so many of an agent or a tenant. Where nobody waits, a slot is taken at
 * once. Where somebody does, TenantShares say whose turn it is: among those that wait here, and those whose jobs wait in
 * the outbox.
 */
export class RunSlots {
  private used = 0;
  private readonly usedBy = new Map<string, number>();
  /** By tenant, each by priority and in the order of coming. */
  private readonly waiting = new Map<string, Waiter[]>();
  private backlog: Backlog | undefined;
  private onIdle: (() => void)[] = [];
  private isClosed = false;
  /** When the last slots came back, around and around. */
  private readonly backAt = new Float64Array(PACE_OF);
  private backs = 0;

  constructor(
    readonly limit: number,
    private readonly shares: TenantShares,
    private readonly tenantLimit = Infinity,
  ) {}

  get free(): number {
    return this.isClosed ? 0 : this.limit - this.used;
  }

  /** From now on these take their turns. */
  attach(backlog: Backlog): void {
    this.backlog = backlog;
  }

  /** Whether one more run would keep to all limits. */
  hasRoom(agent: Agent, tenant: string): boolean {
    if (this.free <= 0) return false;
    if (agent.concurrency !== undefined && (this.usedBy.get(agent.id) ?? 0) >= agent.concurrency) return false;
    return this.tenantLimit === Infinity || this.shares.running(tenant) < this.tenantLimit;
  }

  /** A slot, where there is one that nobody waits for. */
  tryTake(agent: Agent, tenant: string): RunSlot | undefined {
    if (!this.hasRoom(agent, tenant)) return undefined;
    return this.isContended() && this.contenders().length > 0 ? undefined : this.take(agent, tenant);
  }

  /** A slot, whoever waits: `turn` has said that it is theirs. */
  take(agent: Agent, tenant: string): RunSlot {
    this.used++;
    if (agent.concurrency !== undefined) this.usedBy.set(agent.id, (this.usedBy.get(agent.id) ?? 0) + 1);
    return { agent, share: this.shares.begin(tenant) };
  }

  /** A slot for a new task, when it is its tenant's turn; undefined where that does not come within `ms`. */
  soon(agent: Agent, tenant: string, ms: number): Promise<RunSlot | undefined> {
    return this.wait(agent, tenant, { priority: Infinity, ms });
  }

  /** A slot for a job that has left the outbox, when it is its tenant's turn; undefined once there are no more. */
  forJob(agent: Agent, tenant: string, priority: number): Promise<RunSlot | undefined> {
    return this.wait(agent, tenant, { priority });
  }

  /** How long a new task of the tenant would wait about, in milliseconds, at the pace at which slots come back. */
  expectedWaitMs(tenant: string): number {
    const known = Math.min(this.backs, PACE_OF);
    if (known === 0) return Infinity;
    const gapMs = (performance.now() - this.backAt[(this.backs - known) % PACE_OF]!) / known;
    const waiting = new Set([tenant, ...this.waiting.keys(), ...(this.backlog?.tenants() ?? [])]);
    const own = (this.waiting.get(tenant)?.length ?? 0) + (this.backlog?.count(tenant) ?? 0);
    return (own + 1) * waiting.size * gapMs;
  }

  /**
   * Gives free slots to those who wait here, for as long as it is their turn. Answers with the tenant in the outbox whose
   * turn it is then; undefined where there is no slot, or nobody for it.
   */
  turn(): string | undefined {
    this.shares.contend(this.isContended());
    while (this.isContended() && this.free > 0) {
      const tenant = this.shares.next(this.contenders());
      if (tenant === undefined) return undefined;
      const waiter = this.firstWaiter(tenant);
      const inOutbox = this.backlog?.priority(tenant);
      if (inOutbox !== undefined && !(waiter && waiter.priority <= inOutbox)) return tenant;
      waiter?.settle(this.take(waiter.agent, tenant));
    }
    return undefined;
  }

  /** A slot comes back from a run. */
  giveBack(slot: RunSlot): void {
    this.shares.end(slot.share);
    this.backAt[this.backs++ % PACE_OF] = performance.now();
    this.vacate(slot);
  }

  /** A slot comes back, and nothing has run on it. */
  undo(slot: RunSlot): void {
    this.shares.undo(slot.share);
    this.vacate(slot);
  }

  /** From now on there are no slots, and nobody waits for one. */
  close(): void {
    this.isClosed = true;
    for (const waiter of [...this.waiting.values()].flat()) waiter.settle(undefined);
  }

  /** Whether every slot is back, at once or within `ms`. */
  async idle(ms: number): Promise<boolean> {
    if (this.used > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.onIdle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.used === 0;
  }

  private vacate({ agent }: RunSlot): void {
    this.used--;
    if (agent.concurrency !== undefined) this.usedBy.set(agent.id, this.usedBy.get(agent.id)! - 1);
    if (this.used === 0) for (const resolve of this.onIdle.splice(0)) resolve();
    if (this.isContended()) this.deal();
  }

  private deal(): void {
    if (this.turn() !== undefined) this.backlog?.onTurn();
  }

  private async wait(
    agent: Agent,
    tenant: string,
    { priority, ms }: { readonly priority: number; readonly ms?: number },
  ): Promise<RunSlot | undefined> {
    if (this.isClosed) return undefined;
    return new Promise((resolve) => {
      const settle = (slot: RunSlot | undefined) => {
        clearTimeout(timer);
        this.forget(waiter);
        resolve(slot);
      };
      const timer = ms === undefined ? undefined : setTimeout(() => settle(undefined), ms);
      const waiter: Waiter = { agent, tenant, priority, settle };
      const others = this.waiting.get(tenant) ?? [];
      // Behind its equals.
      others.splice(others.findLastIndex((other) => other.priority <= priority) + 1, 0, waiter);
      this.waiting.set(tenant, others);
      this.deal();
    });
  }

  private forget(waiter: Waiter): void {
    const others = this.waiting.get(waiter.tenant)!;
    others.splice(others.indexOf(waiter), 1);
    if (others.length === 0) this.waiting.delete(waiter.tenant);
    this.shares.contend(this.isContended());
  }

  /** Whether anybody waits at all. */
  private isContended(): boolean {
    return this.waiting.size > 0 || this.backlog?.isEmpty === false;
  }

  /** The tenants that have something to run now, and the room for it. */
  private contenders(): string[] {
    const here = [...this.waiting.keys()].filter((tenant) => this.firstWaiter(tenant));
    return [...here, ...(this.backlog?.tenants() ?? [])];
  }

  /** The tenant's waiter that there is room for, of the highest priority, and of equals the first. */
  private firstWaiter(tenant: string): Waiter | undefined {
    return this.waiting.get(tenant)?.find(({ agent }) => this.hasRoom(agent, tenant));
  }
}
