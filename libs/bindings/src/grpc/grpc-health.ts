import { type DescService } from '@bufbuild/protobuf';
import { type Server } from '@grpc/grpc-js';
import { Inject, Injectable } from '@nestjs/common';
import { HealthImplementation, type ServingStatusMap } from 'grpc-health-check';
import { OpenCalls } from '../open-calls.js';
import { Readiness } from '../readiness.js';

/** The health service answers from memory, with what was found so long ago at most. */
const LOOK_MS = 5_000;

/** grpc.health.v1.Health: for the server as a whole (the service '') and for each service, always the same. */
@Injectable()
export class GrpcHealth {
  private readonly health = new HealthImplementation();
  private names: readonly string[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    @Inject(Readiness) private readonly readiness: Readiness,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
  ) {}

  /** Serves the health of these services; resolves when it is known. */
  async addTo(server: Server, services: readonly DescService[]): Promise<void> {
    this.names = ['', ...services.map(({ typeName }) => typeName)];
    this.health.addToServer(server);
    this.calls.drainSignal.addEventListener('abort', () => this.stop(), { once: true });
    await this.look();
    this.timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** Says NOT_SERVING from now on. */
  stop(): void {
    clearInterval(this.timer);
    this.tell('NOT_SERVING');
  }

  private async look(): Promise<void> {
    const { status } = await this.readiness.report();
    this.tell(status === 'ok' && !this.calls.draining ? 'SERVING' : 'NOT_SERVING');
  }

  private tell(status: ServingStatusMap[string]): void {
    for (const name of this.names) this.health.setStatus(name, status);
  }
}
