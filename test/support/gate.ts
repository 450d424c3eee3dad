/** A promise with its way to be kept, for a test and a handler to wait for each other. */
export class Gate<T = void> {
  readonly opened: Promise<T>;
  open!: (value: T) => void;

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
  }
}

/** Never resolves: what a handler does that hangs. */
export function forever(): Promise<never> {
  return new Promise(() => undefined);
}
