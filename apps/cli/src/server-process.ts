import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** `perdure serve` as a process of its own, which can be started over and over; its output goes to ours. */
export class ServerProcess {
  private child: ChildProcess | undefined;
  private isStopping = false;

  /** @param onEnd hears the exit code of a process that ended although it was not stopped. */
  constructor(
    private readonly dirs: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
    private readonly onEnd: (exitCode: number | string) => void,
  ) {}

  start(): void {
    this.isStopping = false;
    const child = spawn(process.execPath, [...process.execArgv, MAIN, 'serve', ...this.dirs], {
      env: this.env,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.child = child;
    child.once('exit', (code, signal) => {
      if (!this.isStopping) this.onEnd(code ?? signal ?? 'unknown');
    });
  }

  /** Asks it to stop and waits until it has; returns at once where it has ended already. */
  async stop(): Promise<void> {
    this.isStopping = true;
    const child = this.child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }

  /** Ends it without waiting for anything. */
  kill(): void {
    this.child?.kill('SIGKILL');
  }
}
