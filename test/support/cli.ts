import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { runCli } from '../../apps/cli/src/cli.js';
import { Terminal } from '../../apps/cli/src/terminal.js';

/** One run of the command line inside of the test process, with its output at hand while it runs. */
export class CliRun {
  /** Resolves to the exit code. */
  readonly ended: Promise<number>;
  private readonly stdin: PassThrough;
  private readonly out: PassThrough;
  private readonly err: PassThrough;
  private readonly texts = new Map<PassThrough, string>();

  /** @param options.tty whether all three streams are a terminal. */
  constructor(args: readonly string[], { tty = false }: { tty?: boolean } = {}) {
    const stream = () => Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: tty });
    [this.stdin, this.out, this.err] = [stream(), stream(), stream()];
    for (const output of [this.out, this.err]) {
      output.on('data', (text: string) => this.texts.set(output, (this.texts.get(output) ?? '') + text));
    }
    const terminal = new Terminal({ stdin: this.stdin, stdout: this.out, stderr: this.err });
    this.ended = runCli(args, terminal);
  }

  get stdout(): string {
    return this.texts.get(this.out) ?? '';
  }

  get stderr(): string {
    return this.texts.get(this.err) ?? '';
  }

  /** Resolves when stdout and stderr together hold the text. */
  async shows(text: string): Promise<void> {
    while (!`${this.stdout}\n${this.stderr}`.includes(text)) {
      await Promise.race([once(this.out, 'data'), once(this.err, 'data')]);
    }
  }

  /** Types a line. */
  types(line: string): void {
    this.stdin.write(`${line}\n`);
  }

  /** Ends the input, as Ctrl-D does. */
  endsInput(): void {
    this.stdin.end();
  }
}

/** Runs a command line to its end. */
export async function cli(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const run = new CliRun(args);
  const exitCode = await run.ended;
  return { exitCode, stdout: run.stdout, stderr: run.stderr };
}
