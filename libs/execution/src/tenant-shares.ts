/** Slot time in milliseconds that every tenant gets in a round. Runs that take longer are paid off in several. */
const QUANTUM_MS = 50;
/** What a run is taken to last while nothing is known. */
const FIRST_ESTIMATE_MS = 10;
/** How fast the estimate follows what is measured. */
const LEARNING = 0.2;
/** Where more tenants than that owe something, what they owe is forgiven. */
const TENANTS_KNOWN = 10_000;

/** What one tenant has of the slots. */
class Account {
  /** Slot time that is left to it in this round; below zero: what it has had ahead of others. */
  credit = 0;
  running = 0;
  /** The sum of the times at which the runs under way began, and of what they are taken to last. */
  begun = 0;
  expected = 0;
  estimate: number;

  constructor(estimate: number) {
    this.estimate = estimate;
  }

  /** The credit, less what the runs under way have had already, or are about to have. */
  left(now: number): number {
    return this.credit - Math.max(this.expected, this.running * now - this.begun);
  }
}

/** A slot in a tenant's hands. */
export interface Share {
  readonly tenant: string;
  /** Monotonic milliseconds. */
  readonly begunAt: number;
  readonly expectedMs: number;
}

/**
 * Deals slots to tenants by deficit round robin, in slot time: every tenant that waits gets the same quantum in each
 * round, and is charged with what its runs have measured. A run is charged with an estimate when it begins, with what it has
 * had once that is more, and with its true time when it ends. Time that nobody waited for is not charged: when the first
 * one begins to wait, all start from zero. Knows the tenants that run or owe something, and forgets the others.
 */
export class TenantShares {
  private readonly accounts = new Map<string, Account>();
  private estimate = FIRST_ESTIMATE_MS;
  private isContended = false;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** How many tenants are known. */
  get size(): number {
    return this.accounts.size;
  }

  /** How many slots the tenant holds. */
  running(tenant: string): number {
    return this.accounts.get(tenant)?.running ?? 0;
  }

  /** The tenant takes a slot. */
  begin(tenant: string): Share {
    const account = this.open(tenant);
    const share = { tenant, begunAt: this.now(), expectedMs: account.estimate };
    account.running++;
    account.begun += share.begunAt;
    account.expected += share.expectedMs;
    return share;
  }

  /** It gives the slot back after a run. */
  end(share: Share): void {
    const account = this.take(share);
    const measured = this.now() - share.begunAt;
    account.estimate += LEARNING * (measured - account.estimate);
    this.estimate += LEARNING * (measured - this.estimate);
    account.credit -= measured;
    this.forgetIdle(share.tenant, account);
  }

  /** It gives the slot back, and nothing has run on it: that costs nothing. */
  undo(share: Share): void {
    this.forgetIdle(share.tenant, this.take(share));
  }

  /** Says whether anybody waits for a slot. */
  contend(isContended: boolean): void {
    if (isContended === this.isContended) return;
    this.isContended = isContended;
    const now = this.now();
    for (const [tenant, account] of this.accounts) {
      // Runs under way are charged in full when they end: what they have had so far is given back here.
      account.credit = QUANTUM_MS + account.running * now - account.begun;
      this.forgetIdle(tenant, account);
    }
  }

  /**
   * Whose turn it is among those that wait: of those with credit in this round the one with the most, and of equals the
   * first. A round in which nobody has any is over, and the next one begins.
   */
  next(waiting: Iterable<string>): string | undefined {
    const now = this.now();
    let best: string | undefined;
    let most = -Infinity;
    for (const tenant of waiting) {
      const left = this.accounts.get(tenant)?.left(now) ?? QUANTUM_MS;
      if (left <= most) continue;
      [best, most] = [tenant, left];
    }
    if (best !== undefined && most <= 0) this.beginRounds(Math.floor(-most / QUANTUM_MS) + 1);
    return best;
  }

  /** As many rounds at once as it takes until somebody has credit. */
  private beginRounds(rounds: number): void {
    const now = this.now();
    for (const [tenant, account] of this.accounts) {
      account.credit = Math.min(account.credit + rounds * QUANTUM_MS, account.credit + QUANTUM_MS - account.left(now));
      this.forgetIdle(tenant, account);
    }
  }

  /** A newcomer has this round's quantum, and nothing from the rounds before it. */
  private open(tenant: string): Account {
    let account = this.accounts.get(tenant);
    if (!account) {
      account = new Account(this.estimate);
      if (this.isContended) account.credit = QUANTUM_MS;
      if (this.accounts.size >= TENANTS_KNOWN) this.forgive();
      this.accounts.set(tenant, account);
    }
    return account;
  }

  private take(share: Share): Account {
    const account = this.accounts.get(share.tenant)!;
    account.running--;
    account.begun -= share.begunAt;
    account.expected -= share.expectedMs;
    if (account.running === 0) account.begun = account.expected = 0;
    return account;
  }

  private forgive(): void {
    for (const [tenant, { running }] of this.accounts) if (running === 0) this.accounts.delete(tenant);
  }

  /** Who runs nothing and has had no more than its quantum is a newcomer when it comes again. */
  private forgetIdle(tenant: string, account: Account): void {
    if (account.running === 0 && (!this.isContended || account.credit >= QUANTUM_MS)) this.accounts.delete(tenant);
  }
}
