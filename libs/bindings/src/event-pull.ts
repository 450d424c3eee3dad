/** Pulls the items of a stream one by one until it ends or a signal aborts, whichever is first. */
export class EventPull<T> {
  private readonly iterator: AsyncIterator<T>;
  /** The first item, until it is taken: it can be large, so nobody keeps it for as long as the stream lives. */
  private first: Promise<T | undefined> | undefined;
  /** Ends the wait for the item that was asked for last. */
  private stop: (() => void) | undefined;
  /** One listener for the whole stream: to add and to remove one costs more than to hand an item on. */
  private readonly aborted = () => this.stop?.();

  constructor(
    source: AsyncIterable<T>,
    private readonly signal: AbortSignal,
  ) {
    this.iterator = source[Symbol.asyncIterator]();
    signal.addEventListener('abort', this.aborted, { once: true });
  }

  /** Whether the signal, not the stream, made the end. */
  get interrupted(): boolean {
    return this.signal.aborted;
  }

  /**
   * Resolves when the first item, or the end, is there to be taken, or after `patienceMs`, where that is given. Until then it
   * throws what the source throws, and the signal's reason when that aborts.
   */
  async begin(patienceMs?: number): Promise<void> {
    this.first = this.next();
    let patience: NodeJS.Timeout | undefined;
    const isOver = new Promise<void>((resolve) => {
      if (patienceMs !== undefined) patience = setTimeout(resolve, patienceMs);
    });
    try {
      await Promise.race([this.first, isOver]);
      this.signal.throwIfAborted();
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(patience);
    }
  }

  /** The next item; undefined at the end, and at once when the signal aborts, even while the source still waits. */
  next(): Promise<T | undefined> {
    const { first } = this;
    this.first = undefined;
    if (first) return first;
    if (this.signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.stop = () => resolve(undefined);
      this.iterator.next().then(({ done, value }) => resolve(done ? undefined : value), reject);
    });
  }

  /** Tells the source that nobody listens any more. It may still be waiting, so nobody waits for its answer. */
  close(): void {
    this.signal.removeEventListener('abort', this.aborted);
    // What a source throws while it is put away concerns no client: the stream has its end already.
    void Promise.resolve(this.iterator.return?.()).catch(() => undefined);
  }
}
