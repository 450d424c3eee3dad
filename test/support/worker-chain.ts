import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type TaskTables } from './task-tables.js';

/** `worker-process.mjs`, bundled. */
const PROGRAM = join(inject('bundledPrograms'), 'worker.js');

/** A call to a worker's service. */
export interface WorkerCall {
  readonly agent: string;
  readonly operation: 'sendMessage' | 'getTask' | 'signal';
  readonly request: object;
  /** Idempotency key: without one, a call that a kill has cut off is not sent again. */
  readonly key?: string;
}

/** What each worker is given: the folder of its agents, and settings. */
export interface WorkerOptions {
  readonly agents: string;
  readonly env: Readonly<Record<string, string>>;
}

class WorkerKilledError extends Error {}

/** What waits for one answer. */
interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** One process with an engine in it. */
class WorkerProcess {
  /** What it has logged and complained of. */
  output = '';
  readonly ended: Promise<unknown>;
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number | string, Waiting>();
  private isLoaded = false;
  private hasEnded = false;
  private calls = 0;

  constructor({ agents, env }: WorkerOptions) {
    this.child = fork(PROGRAM, [agents], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
      env: { ...process.env, ...env },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) stream.on('data', (text) => (this.output += text));
    this.child.on('message', (message) => this.take(message as { id: number; ready?: string }));
    this.ended = once(this.child, 'exit').then(() => {
      this.hasEnded = true;
      for (const waiting of this.waiting.values()) waiting.reject(new WorkerKilledError(this.output));
    });
  }

  async start(databaseUrl: string): Promise<void> {
    if (!this.isLoaded) await this.answer('loaded');
    this.child.send({ start: databaseUrl });
    await this.answer('started');
  }

  call(call: WorkerCall): Promise<unknown> {
    const id = ++this.calls;
    const answer = this.answer(id);
    // What cannot be sent any more is told by the end of the process.
    this.child.send({ id, ...call }, () => undefined);
    return answer;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private answer(id: number | string): Promise<unknown> {
    if (this.hasEnded) return Promise.reject(new WorkerKilledError(this.output));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  private take(message: { id: number; ready?: string; result?: unknown; error?: string }): void {
    this.isLoaded = true;
    const id = message.ready ?? message.id;
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (message.error === undefined) waiting?.resolve(message.result);
    else waiting?.reject(new Error(message.error));
  }
}

/**
 * One worker process at a time, each followed by the next when it is killed. The next one loads while this one works, so
 * that a kill costs the time of a start without that of loading.
 */
export class WorkerChain {
  private current: WorkerProcess;
  private next: WorkerProcess;
  private up: Promise<void>;

  private constructor(
    private readonly databaseUrl: string,
    private readonly options: WorkerOptions,
    private readonly tables: TaskTables,
  ) {
    this.current = new WorkerProcess(options);
    this.next = new WorkerProcess(options);
    this.up = this.current.start(databaseUrl);
  }

  /**
   * Starts the first one. `databaseUrl`: the way of the workers to the database; `tables`: the test's own.
   */
  static async start(databaseUrl: string, options: WorkerOptions, tables: TaskTables): Promise<WorkerChain> {
    const chain = new WorkerChain(databaseUrl, options, tables);
    await chain.up;
    return chain;
  }

  /** The result of a call: of whichever process lives long enough to answer. */
  async call<Result>(call: WorkerCall): Promise<Result> {
    for (;;) {
      const { up } = this;
      await up;
      try {
        return (await this.current.call(call)) as Result;
      } catch (error) {
        // One that ends by itself is not followed by another.
        if (!(error instanceof WorkerKilledError) || this.up === up) throw error;
      }
    }
  }

  /** kill -9, at once. The next one takes over after `meanwhile`, which sees everything as the dead one has left it. */
  kill(meanwhile?: () => Promise<void>): void {
    this.current.kill();
    this.up = this.succeed(this.current, meanwhile);
    // Whoever calls next hears of a failure.
    this.up.catch(() => undefined);
  }

  async stop(): Promise<void> {
    await this.up.catch(() => undefined);
    for (const worker of [this.current, this.next]) worker.kill();
    await Promise.all([this.current.ended, this.next.ended]);
  }

  private async succeed(killed: WorkerProcess, meanwhile?: () => Promise<void>): Promise<void> {
    await killed.ended;
    await this.tables.forget();
    await meanwhile?.();
    this.current = this.next;
    this.next = new WorkerProcess(this.options);
    await this.current.start(this.databaseUrl);
  }
}
