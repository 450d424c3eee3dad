import { Inject, Injectable } from '@nestjs/common';
import { OpenCalls } from '../open-calls.js';
import { Readiness } from '../readiness.js';

/** The health service answers from memory, with what was found so long ago at most. */
const LOOK_MS = 5_000;

/** Knows what the health service of gRPC says: whether this process serves. */
@Injectable()
export class GrpcHealth {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
  ) {}

  /** Calls `tell` with every look; resolves after the first one. */
  async begin(tell: (isServing: boolean) => void): Promise<void> {
    const look = async () => {
      const { status } = await this.readiness.report();
      tell(status === 'ok' && !this.calls.endSignal.aborted);
    };
    this.calls.endSignal.addEventListener('abort', () => tell(false), { once: true });
    await look();
    this.timer = setInterval(() => void look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
