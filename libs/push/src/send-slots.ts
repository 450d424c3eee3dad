interface Waiter {
  readonly wanted: number;
  resolve(slots: number): void;
}

/** How many lanes one process sends from at a time. */
export class SendSlots {
  private readonly waiters: Waiter[] = [];
  private taken = 0;
  isClosed = false;

  constructor(private readonly limit: number) {}

  /** Whether somebody waits for a slot. */
  get isShort(): boolean {
    return this.waiters.length > 0;
  }

  /** Takes up to so many slots, as soon as there is one, in the order of the calls; 0 once it is closed. */
  take(wanted: number): Promise<number> {
    return new Promise((resolve) => {
      this.waiters.push({ wanted, resolve });
      this.serve();
    });
  }

  give(slots: number): void {
    this.taken -= slots;
    this.serve();
  }

  close(): void {
    this.isClosed = true;
    this.serve();
  }

  private serve(): void {
    for (const waiter of [...this.waiters]) {
      const slots = this.isClosed ? 0 : Math.min(waiter.wanted, this.limit - this.taken);
      if (slots === 0 && !this.isClosed) return;
      this.waiters.shift();
      this.taken += slots;
      waiter.resolve(slots);
    }
  }
}
