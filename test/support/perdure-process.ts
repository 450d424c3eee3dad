import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { packageRoot } from '#platform';

/** The built command line as `npm run build` leaves it; `npm test` builds first. */
export const PERDURE = join(packageRoot(), 'dist/apps/cli/src/main.js');

/** A process of its own whose output is at hand while it runs: by default the built `perdure`. */
export class PerdureProcess {
  /** Everything it has written to stdout and stderr. */
  output = '';
  /** Resolves to its exit code, or to the signal that ended it, when it is gone and its output is complete. */
  readonly ended: Promise<number | string>;
  private readonly child: ChildProcess;

  constructor(args: readonly string[], options: { env?: Record<string, string>; cwd?: string; command?: string } = {}) {
    const { command = process.execPath, env, cwd } = options;
    this.child = spawn(command, command === process.execPath ? [PERDURE, ...args] : args, {
      cwd,
      env: { ...process.env, NODE_ENV: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.ended = once(this.child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves to the first match in the output after `from` characters; rejects when the process ends without it. */
  async shows(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    let isOver = false;
    const ended = this.ended.then(() => (isOver = true));
    for (;;) {
      const match = pattern.exec(this.output.slice(from));
      if (match) return match;
      if (isOver) throw new Error(`ended without ${pattern.source}:\n${this.output}`);
      await Promise.race([once(this.child.stdout!, 'data'), once(this.child.stderr!, 'data'), ended]);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it if it still runs, however the test went. */
  async dispose(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended;
  }
}
