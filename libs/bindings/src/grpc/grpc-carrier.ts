import { type CallCarrier } from '../open-calls.js';

/**
 * What calls are answered on, one at a time, as on a connection of HTTP/1: a call that has been answered leaves its carrier to
 * another one, since the signal that each carrier has costs more to make than all else that a call needs here.
 */
export class GrpcCarrier implements CallCarrier {
  private readonly onClose: (() => void)[] = [];
  private isClosed = false;

  get destroyed(): boolean {
    return this.isClosed;
  }

  once(_event: 'close', listener: () => void): void {
    this.onClose.push(listener);
  }

  /** Ends what is done for the call on it. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const listener of this.onClose) listener();
  }
}
