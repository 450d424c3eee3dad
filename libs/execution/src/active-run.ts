import { setMaxListeners } from 'node:events';
import { type Lease } from '#store';
import { RunAbortedError } from './handler-errors.js';

/** A run of this process, from its claim to its end. */
export class ActiveRun {
  /** Monotonic milliseconds at which the lease was last known to be good. */
  renewedAt = performance.now();
  /** Where it stands among the active runs; -1 once it does no more. */
  place = -1;
  hasLease = false;
  private stoppedWith: Error | undefined;
  private controller: AbortController | undefined;
  private onStop: ((reason: Error) => void) | undefined;
  private onSignal: (() => void) | undefined;

  /** @param accepted the commit that accepts the task, where it may be under way: until then there is no lease to renew. */
  constructor(
    readonly lease: Lease,
    readonly accepted = Promise.resolve(),
  ) {
    accepted.then(
      () => (this.hasLease = true),
      () => this.abort('the task was not accepted'),
    );
  }

  /** Why the run has stopped, once it has. */
  get stopReason(): Error | undefined {
    return this.stoppedWith;
  }

  /** Fires when the run has to stop, and when it has ended. Made when it is asked for: most handlers never do. */
  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      // As many steps as the handler likes may listen side by side.
      setMaxListeners(0, this.controller.signal);
      if (this.stoppedWith) this.controller.abort(this.stoppedWith);
    }
    return this.controller.signal;
  }

  /** The run is told to stop from outside. */
  abort(reason: string): void {
    this.end(new RunAbortedError(reason));
  }

  /** The run is over. Only the first reason counts: a run ends once. */
  end(reason: Error): void {
    if (this.stoppedWith) return;
    this.stoppedWith = reason;
    this.controller?.abort(reason);
    this.onStop?.(reason);
  }

  /** The task has a new signal. */
  signaled(): void {
    this.onSignal?.();
  }

  /** Calls the listener when the task has a new signal; one at a time. */
  whenSignaled(listener: () => void): void {
    this.onSignal = listener;
  }

  /** Calls the listener when the run stops, at once if it has; one at a time. */
  whenStopped(listener: (reason: Error) => void): void {
    this.onStop = listener;
    if (this.stoppedWith) listener(this.stoppedWith);
  }
}
