import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject } from 'vitest';
import { packageRoot } from '#platform';

/** The built command line as it is shipped: what `npm run build` leaves; `npm test` builds first. */
export const PERDURE = join(packageRoot(), 'dist/apps/cli/src/main.js');
/** The same with all that it imports in a few files, which are loaded in half the time: see `bundlePrograms`. */
export const BUNDLED_PERDURE = join(inject('bundledPrograms'), 'main.js');

interface PerdureProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What `args` are for, where that is not the `program`. */
  readonly command?: string;
  /** Which command line; the shipped one where it is left out. */
  readonly program?: string;
}

/** A process of its own whose output is at hand while it runs: by default the built `perdure`. */
export class PerdureProcess {
  /** Everything it has written to stdout and stderr. */
  output = '';
  /** Resolves to its exit code, or to the signal that ended it, when it and what it started are gone. */
  readonly ended: Promise<number | string>;
  private readonly child: ChildProcess;

  constructor(args: readonly string[], { command, program = PERDURE, env, cwd }: PerdureProcessOptions = {}) {
    // In a group of its own, like a command of an interactive shell: Ctrl-C reaches all of it.
    this.child = spawn(command ?? process.execPath, command === undefined ? [program, ...args] : args, {
      cwd,
      env: { ...process.env, NODE_ENV: undefined, REDIS_URL: undefined, GRPC_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
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

  /** Sends the signal to this process alone, as `kill` does. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends SIGINT to it and to all it started, as a terminal does. */
  pressesCtrlC(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  /** Ends it with all it started, if anything of it still runs. */
  async dispose(): Promise<void> {
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch (error) {
      // ESRCH: nothing of it is left.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
    await this.ended;
  }
}
