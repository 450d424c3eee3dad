/** What a line tells of itself. */
export interface SignalLineEvents {
  /** Another process has said something, or this one. */
  received(payload: string): void;
  /** The line works again: what was said meanwhile is lost. */
  restored(): void;
}

/** The way of signals between processes. A line that is lost comes back by itself. */
export interface SignalLine {
  /** Whether what is sent now goes out. */
  readonly isUp: boolean;
  /** Begins to listen. */
  start(events: SignalLineEvents): Promise<void>;
  /** Tells everybody who listens. Rejects where it may not have gone out; then the line is down until it is restored. */
  send(payload: string): Promise<void>;
  stop(): Promise<void>;
}
