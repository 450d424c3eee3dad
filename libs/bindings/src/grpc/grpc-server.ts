import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { CONFIG, type Config } from '#platform';
import { OpenCalls } from '../open-calls.js';
import { GrpcAddress } from './grpc-address.js';
import { GrpcHealth } from './grpc-health.js';
import { GrpcThreadKeeper } from './grpc-thread-keeper.js';

/**
 * The gRPC server: all services, health and reflection, on HOST and GRPC_PORT, in a thread of its own (docs/adr/0032). A request is
 * bounded by PERDURE_MAX_BODY, streams by PERDURE_MAX_STREAMS; metadata by the limits of Node's HTTP/2, which also ends
 * connections that flood it with pings or resets.
 */
@Injectable()
export class GrpcServer implements OnModuleDestroy {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'grpcPort'>,
    @Inject(GrpcThreadKeeper) private readonly thread: GrpcThreadKeeper,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(GrpcHealth) private readonly health: GrpcHealth,
    @Inject(GrpcAddress) private readonly address: GrpcAddress,
  ) {}

  /** Listens, unless gRPC is off. Rejects with the error of `listen` where the address cannot be used. */
  async listen(): Promise<void> {
    const { grpcPort } = this.config;
    if (grpcPort === undefined) return;
    await this.health.begin((isServing) => this.thread.tellHealth(isServing));
    this.address.listensOn(await this.thread.listen(grpcPort));
    this.calls.endSignal.addEventListener('abort', () => this.thread.leave(), { once: true });
  }

  /** Closes every connection when its client has taken what was written, or soon. */
  async onModuleDestroy(): Promise<void> {
    this.health.stop();
    await this.thread.close();
  }
}
