/** A stream that may be a terminal: `process.stderr`, or any writable in tests. */
export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const ERASE_LINE = '\r\u001b[2K';

/** One line at the bottom of a terminal that shows what is awaited, and since when. Does nothing on other streams. */
export class ProgressLine {
  /** Set while the cursor stands behind an unfinished line of output, which drawing would erase. */
  isPaused = false;
  private label = '';
  private since = 0;
  private frame = 0;
  private timer: NodeJS.Timeout | undefined;
  private isDrawn = false;

  constructor(private readonly stream: OutputStream) {}

  /** Starts the line, or changes the label of the one that runs; the elapsed time counts from the first call. */
  show(label: string): void {
    this.label = label;
    if (!this.stream.isTTY || this.timer) return;
    this.since = Date.now();
    this.timer = setInterval(() => this.draw(), FRAME_MS).unref();
  }

  /** Takes the line away so that something else can be printed; it comes back with the next frame. */
  clear(): void {
    if (this.isDrawn) this.stream.write(ERASE_LINE);
    this.isDrawn = false;
  }

  /** Takes the line away for good. */
  hide(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.clear();
  }

  private draw(): void {
    if (this.isPaused) return;
    const seconds = Math.floor((Date.now() - this.since) / 1000);
    const spinner = FRAMES[this.frame++ % FRAMES.length] ?? '';
    const line = `${spinner} ${this.label} ${elapsed(seconds)}`.slice(0, (this.stream.columns ?? 80) - 1);
    this.stream.write(`${ERASE_LINE}${line}`);
    this.isDrawn = true;
  }
}

function elapsed(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m ${seconds % 60}s`;
}
