import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '#platform';
import { type ProcessName } from './fault-schedule.js';
import { PERDURE } from './program.js';

const CLOCK = pathToFileURL(join(packageRoot(), 'test/chaos/clock.mjs')).href;
/** Pause before a process that has ended is started again. */
const RESTART_MS = 500;

/** Whom a process stopped or started serving, and when: `Date.now()` of the test. */
export interface ProcessChange {
  readonly name: ProcessName;
  readonly at: number;
  readonly isUp: boolean;
  readonly pid: number;
}

/** One process of the cluster, which is started again when it has ended, as a supervisor does. */
export class ChaosProcess {
  readonly changes: ProcessChange[] = [];
  private child: ChildProcess | undefined;
  private readonly output: WriteStream;
  private isOver = false;
  private heldDown: Promise<unknown> | undefined;
  private supervision: Promise<void> | undefined;
  private announced: (() => void) | undefined;
  /** Resolves when it has listened for the first time. */
  private readonly listened = new Promise<void>((resolve) => (this.announced = resolve));

  constructor(
    readonly name: ProcessName,
    private readonly agents: string,
    private readonly env: Readonly<Record<string, string>>,
    outputFile: string,
  ) {
    this.output = createWriteStream(outputFile, { flags: 'a' });
  }

  get role(): string {
    return this.name.split('-')[0]!;
  }

  /** Starts it; resolves when it listens. */
  async start(): Promise<void> {
    this.supervision = this.supervise();
    await this.listened;
  }

  /** SIGKILL, and nothing for so long. */
  kill(forMs: number): void {
    this.heldDown = delay(forMs);
    this.child?.kill('SIGKILL');
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(signal);
  }

  /** Sets its wall clock off by so much; a process that is started anew goes right. */
  setClock(offMs: number): void {
    if (this.child?.connected) this.child.send({ clockMs: offMs }, () => undefined);
  }

  async stop(): Promise<void> {
    this.isOver = true;
    this.child?.kill('SIGKILL');
    await this.supervision;
    this.output.end();
  }

  private async supervise(): Promise<void> {
    while (!this.isOver) {
      await this.live();
      if (this.isOver) return;
      await (this.heldDown ?? delay(RESTART_MS));
      this.heldDown = undefined;
    }
  }

  /** From the start of a process to its end. */
  private async live(): Promise<void> {
    const child = spawn(process.execPath, ['--import', CLOCK, PERDURE, 'serve', '--role', this.role, this.agents], {
      env: { ...process.env, NODE_ENV: undefined, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child = child;
    let said = '';
    child.stdout!.on('data', (data: Buffer) => {
      this.output.write(data);
      if (said === 'up') return;
      said += data.toString();
      if (!/^Perdure listens on /m.test(said)) return;
      said = 'up';
      this.note(true, child.pid!);
      this.announced!();
    });
    child.stderr!.on('data', (data: Buffer) => this.output.write(data));
    await once(child, 'close');
    this.note(false, child.pid!);
  }

  private note(isUp: boolean, pid: number): void {
    this.changes.push({ name: this.name, at: Date.now(), isUp, pid });
  }
}
