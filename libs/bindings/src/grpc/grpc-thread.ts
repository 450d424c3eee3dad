import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { packageRoot } from '#platform';
import { GrpcCall, type GrpcRequest } from './grpc-call.js';
import { GrpcCarrier } from './grpc-carrier.js';
import { MessageBatches } from './message-batches.js';
import { type CallParts, type FromThread, type ThreadSettings, type ToThread } from './thread-messages.js';

/** A thread begins with a file that Node can run: that of the last build, also where this is run from its source. */
const MAIN = join(packageRoot(), 'dist/libs/bindings/src/grpc/thread/main.js');
/** What a burst of calls leaves behind, at most. */
const MAX_IDLE_CARRIERS = 1_000;

/** What the thread has for the main thread. */
export interface GrpcThreadHandlers {
  /** Answers a call. Must not throw. */
  call(path: string, call: GrpcCall): void;
  /** Is told of an error that nobody caught. */
  stray(error: unknown): void;
}

/** The thread of gRPC, seen from the main thread. */
export class GrpcThread {
  /** Resolves when the thread has ended, whatever the reason. */
  readonly ended: Promise<void>;
  private readonly worker: Worker;
  private readonly line: MessageBatches<ToThread, FromThread>;
  /** By their numbers; not a Map, for the reason that the thread has none. */
  private readonly calls = Object.create(null) as Record<number, GrpcCall>;
  private readonly idle: GrpcCarrier[] = [];
  private listening: { resolve(port: number): void; reject(error: Error): void } | undefined;

  constructor(
    settings: ThreadSettings,
    private readonly handlers: GrpcThreadHandlers,
  ) {
    this.worker = new Worker(MAIN, { workerData: settings });
    this.line = new MessageBatches(this.worker);
    this.line.onMessage((row, bytes) => this.heed(row, bytes));
    this.worker.on('error', (error: Error) => this.failed(error));
    this.ended = new Promise((resolve) => this.worker.once('exit', resolve)).then(() => this.end());
  }

  /** Resolves to the port. Rejects with the error of `listen` where the address cannot be used. */
  listen(host: string, port: number): Promise<number> {
    this.line.send(['listen', host, port]);
    return new Promise((resolve, reject) => (this.listening = { resolve, reject }));
  }

  /** What the health service says from now on. */
  tellHealth(isServing: boolean): void {
    this.line.send(['health', isServing]);
  }

  /** Sends clients elsewhere with their next calls; open calls go on where they are. */
  leave(): void {
    this.line.send(['leave']);
  }

  /** Ends the thread when clients have taken what was written, or soon. */
  async close(): Promise<void> {
    this.line.send(['close']);
    await this.ended;
  }

  private heed(row: FromThread, bytes: Uint8Array | undefined): void {
    switch (row[0]) {
      case 'call':
        return this.begin(row[1], row[2], { parameters: row[3], request: bytes! });
      case 'taken':
        return this.calls[row[1]]?.taken(row[2]);
      case 'gone':
        return this.calls[row[1]]?.drop();
      case 'listening':
        return this.listening?.resolve(row[1]);
      case 'refused':
        return this.listening?.reject(Object.assign(new Error(row[1]), row[2]));
      case 'stray':
        return this.handlers.stray(row[1]);
      case 'closed':
        return void this.worker.terminate();
    }
  }

  private begin(number: number, path: string, request: GrpcRequest): void {
    const carrier = this.idle.pop() ?? new GrpcCarrier();
    const write = ({ headers, message, end }: CallParts) => this.line.send(['write', number, headers, end], message);
    const over = () => {
      delete this.calls[number];
      this.release(carrier);
    };
    const call = new GrpcCall(request, { carrier, write, over });
    this.calls[number] = call;
    this.handlers.call(path, call);
  }

  private release(carrier: GrpcCarrier): void {
    if (this.idle.length === MAX_IDLE_CARRIERS) carrier.close();
    else if (!carrier.destroyed) this.idle.push(carrier);
  }

  private failed(error: Error): void {
    this.handlers.stray(error);
    this.listening?.reject(error);
  }

  private end(): void {
    for (const call of Object.values(this.calls)) call.drop();
  }
}
