import { createInterface } from 'node:readline/promises';
import { type ExitCode } from './cli-error.js';
import { printable, printableJson } from './printable.js';
import { type OutputStream, ProgressLine } from './progress-line.js';

/** Standard input, or any readable in tests. */
export type InputStream = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** What a Terminal reads and writes; the process' own streams where left out. */
export interface TerminalStreams {
  readonly stdin?: InputStream;
  readonly stdout?: OutputStream;
  readonly stderr?: OutputStream;
}

/**
 * The person or program at the other end of the command line. Results go to stdout; notes, questions and progress to
 * stderr, so that stdout can be piped. On a terminal every text is stripped of control sequences first.
 */
export class Terminal {
  /** What the process ends with when the command does not throw. */
  exitCode: ExitCode = 0;
  readonly progress: ProgressLine;
  private readonly stdin: InputStream;
  private readonly stdout: OutputStream;
  private readonly stderr: OutputStream;
  private isAtLineStart = true;

  constructor(streams: TerminalStreams = {}) {
    this.stdin = streams.stdin ?? process.stdin;
    this.stdout = streams.stdout ?? process.stdout;
    this.stderr = streams.stderr ?? process.stderr;
    this.progress = new ProgressLine(this.stderr);
  }

  /** Whether a question would reach a person who can answer it. */
  get canAsk(): boolean {
    return Boolean(this.stdin.isTTY && this.stdout.isTTY);
  }

  /** Writes to stdout as it is, without a line break: chunks of a text that grows. */
  write(text: string): void {
    const shown = this.stdout.isTTY ? printable(text) : text;
    if (shown === '') return;
    this.progress.clear();
    this.stdout.write(shown);
    this.isAtLineStart = shown.endsWith('\n');
    this.progress.isPaused = !this.isAtLineStart;
  }

  /** Writes whole lines to stdout, starting on a line of their own. */
  line(text: string): void {
    this.write(`${this.lineStart()}${text}\n`);
  }

  /** Writes a value to stdout as JSON: on one line, or indented by `indent` spaces. */
  json(value: unknown, indent?: number): void {
    this.line(printableJson(value, indent));
  }

  /** Writes whole lines to stderr: hints, warnings and errors. */
  note(text: string): void {
    this.progress.clear();
    if (this.stdout.isTTY) this.write(this.lineStart());
    this.stderr.write(`${this.stderr.isTTY ? printable(text) : text}\n`);
  }

  /** Asks on stderr and resolves to the line that was entered, trimmed; undefined when the input has ended. */
  async ask(question: string): Promise<string | undefined> {
    this.progress.hide();
    this.write(this.lineStart());
    const reader = createInterface({ input: this.stdin, output: this.stderr });
    const closed = new Promise<undefined>((resolve) => reader.once('close', () => resolve(undefined)));
    try {
      const answer = await Promise.race([reader.question(question), closed]);
      return answer?.trim();
    } finally {
      reader.close();
    }
  }

  /** All that comes on stdin, to its end. Rejects with a RangeError where that is more than `maxBytes`. */
  async input(maxBytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.stdin) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > maxBytes) throw new RangeError(`there are more than ${maxBytes} bytes on stdin`);
      chunks.push(bytes);
    }
    return Buffer.concat(chunks);
  }

  private lineStart(): string {
    return this.isAtLineStart ? '' : '\n';
  }
}
