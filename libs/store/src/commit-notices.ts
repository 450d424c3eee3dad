/** Writers that are told of their commit in one turn of the event loop. */
const TOLD_AT_ONCE = 32;

/**
 * Tells writers that they are committed: in order, and some at a time, so that the event loop hears of the next flush's end
 * in between. Else the database waits until all that follows from this one is done.
 */
export class CommitNotices {
  private readonly pending: { resolve(): void }[] = [];
  private isTelling = false;

  tell(committed: readonly { resolve(): void }[]): void {
    this.pending.push(...committed);
    if (!this.isTelling) this.tellSome();
  }

  private tellSome(): void {
    for (const writer of this.pending.splice(0, TOLD_AT_ONCE)) writer.resolve();
    this.isTelling = this.pending.length > 0;
    if (this.isTelling) setImmediate(() => this.tellSome());
  }
}
