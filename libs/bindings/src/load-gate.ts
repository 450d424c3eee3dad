import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config, LOGGER, type Logger, ProcessLoad } from '#platform';
import { A2AError } from '#protocol';
import { OpenCalls } from './open-calls.js';

/** What a call asks of the server: `work` brings a message, and with it a task or a turn; `look` is all else, and refused last. */
export type CallWeight = 'work' | 'look';

type Settings = Pick<Config, 'maxCalls' | 'maxLoopDelayMs' | 'maxHeapPercent' | 'maxBodiesBytes'>;

/** A request body of at least so many bytes counts: smaller ones are bounded by the number of connections. */
export const LARGE_BODY_BYTES = 16 * 1024;
/** Calls that look are refused at so many times the bounds of those that bring work. */
const LOOK_ROOM = 2;
/** The log says that it is over when nothing was refused for so long. */
const QUIET_MS = 1_000;

/** Made once, as refusing must cost next to nothing. UNAVAILABLE, since nothing was done: the call may go to another process. */
const TOO_MANY_CALLS = refusal('The server has too many calls to answer; try again later', 1_000);
const TOO_LATE = refusal('The server is overloaded; try again later', 2_000);
const HEAP_FULL = refusal('The server has no memory to spare; try again later', 5_000);
const BODIES_FULL = refusal('The server holds too many large requests; try again later', 1_000);

const CAUSES = new Map<unknown, string>([
  [TOO_MANY_CALLS, 'calls'],
  [TOO_LATE, 'loop delay'],
  [HEAP_FULL, 'heap'],
  [BODIES_FULL, 'bodies'],
]);

/**
 * Sheds load at the door, the same for every binding: refuses a call before anything is done for it, where this process has
 * more to do than it can bear: docs/adr/0029.
 */
@Injectable()
export class LoadGate implements OnModuleInit, OnModuleDestroy {
  private bodies = 0;
  private refused = 0;
  private refusedAt = 0;
  /** Whether a call has passed since the last look although the heap is full: without any, nothing would ever be collected. */
  private hasTrickled = false;

  constructor(
    @Inject(CONFIG) private readonly config: Settings,
    @Inject(OpenCalls) private readonly calls: Pick<OpenCalls, 'pending'>,
    @Inject(ProcessLoad) private readonly load: Pick<ProcessLoad, 'loopDelayMs' | 'heapPercent' | 'start' | 'stop'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.load.start(() => this.looked());
  }

  onModuleDestroy(): void {
    this.load.stop();
  }

  /** Throws A2AError UNAVAILABLE, with a time to try again, where a call of that weight has to be refused. */
  admit(weight: CallWeight): void {
    const error = this.refusal(weight);
    if (error) throw error;
  }

  /** The error with which a call of that weight has to be refused now, if so; `bodyBytes` are those that it comes with. */
  refusal(weight: CallWeight, bodyBytes = 0): A2AError | undefined {
    const error = this.cause(weight, bodyBytes);
    if (error === HEAP_FULL && !this.hasTrickled) {
      this.hasTrickled = true;
      return undefined;
    }
    if (error) this.count(error);
    return error;
  }

  /** Counts bytes of a large body that are held for a call, negative ones that are let go. Returns an error where they are too many. */
  hold(bytes: number): A2AError | undefined {
    this.bodies += bytes;
    if (bytes <= 0 || this.bodies <= this.config.maxBodiesBytes) return undefined;
    this.count(BODIES_FULL);
    return BODIES_FULL;
  }

  private cause(weight: CallWeight, bodyBytes: number): A2AError | undefined {
    const { maxCalls, maxLoopDelayMs, maxHeapPercent, maxBodiesBytes } = this.config;
    const room = weight === 'work' ? 1 : LOOK_ROOM;
    if (this.calls.pending >= maxCalls * room) return TOO_MANY_CALLS;
    if (this.load.loopDelayMs > maxLoopDelayMs * room) return TOO_LATE;
    if (this.load.heapPercent > 100 - (100 - maxHeapPercent) / room) return HEAP_FULL;
    return bodyBytes >= LARGE_BODY_BYTES && this.bodies + bodyBytes > maxBodiesBytes ? BODIES_FULL : undefined;
  }

  private count(error: A2AError): void {
    this.refusedAt = performance.now();
    if (this.refused++ === 0) {
      this.logger.warn({ cause: CAUSES.get(error), pending: this.calls.pending }, 'load.shed.begun');
    }
  }

  private looked(): void {
    this.hasTrickled = false;
    if (this.refused === 0 || performance.now() - this.refusedAt < QUIET_MS) return;
    this.logger.warn({ refused: this.refused }, 'load.shed.ended');
    this.refused = 0;
  }
}

/** Whether it is an error of the gate: nothing was done for the call. */
export function isShed(error: unknown): boolean {
  return CAUSES.has(error);
}

/** The weight of a method by its name in the proto; 1.0 and 0.3 agree on those that bring a message. */
export function weightOf(method: string): CallWeight {
  return method === 'SendMessage' || method === 'SendStreamingMessage' ? 'work' : 'look';
}

function refusal(message: string, retryAfterMs: number): A2AError {
  return new A2AError('UNAVAILABLE', { message, retryAfterMs });
}
