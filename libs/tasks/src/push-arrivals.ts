/** Tells who listens in this process that it has committed deliveries for webhooks. What others commit, a look has to find. */
export class PushArrivals {
  private readonly listeners = new Set<() => void>();

  /** Calls the listener after each such commit, until the returned function is called. */
  onRecorded(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  announce(): void {
    for (const listener of this.listeners) listener();
  }
}
