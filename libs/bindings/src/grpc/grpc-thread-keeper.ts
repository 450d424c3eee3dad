import { type DescMethod } from '@bufbuild/protobuf';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { GrpcCalls } from './grpc-calls.js';
import { descriptorFiles } from './grpc-descriptors.js';
import { GRPC_SERVICES, type GrpcMethod, type GrpcService } from './grpc-service.js';
import { GrpcThread } from './grpc-thread.js';
import { type ThreadSettings } from './thread-messages.js';

/** A thread that has ended by itself is followed by another one after this long. */
const RESTART_MS = 500;

/** Keeps a thread of gRPC running, whose calls it has answered. */
@Injectable()
export class GrpcThreadKeeper {
  private readonly methods: ReadonlyMap<string, GrpcMethod>;
  private thread: GrpcThread | undefined;
  private isServing = false;
  private isClosing = false;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(GrpcCalls) private readonly calls: GrpcCalls,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(GRPC_SERVICES) private readonly services: readonly GrpcService[],
  ) {
    this.methods = methodsByPath(services);
  }

  /** Resolves to the port. Rejects with the error of `listen` where the address cannot be used. */
  async listen(port: number): Promise<number> {
    const bound = await this.start(port);
    void this.keepRunning(bound);
    return bound;
  }

  /** What the health service says from now on. */
  tellHealth(isServing: boolean): void {
    this.isServing = isServing;
    this.thread?.tellHealth(isServing);
  }

  /** Sends clients elsewhere with their next calls; open calls go on where they are. */
  leave(): void {
    this.thread?.leave();
  }

  /** Closes every connection when its client has taken what was written, or soon. */
  async close(): Promise<void> {
    this.isClosing = true;
    await this.thread?.close();
  }

  private async start(port: number): Promise<number> {
    const thread = new GrpcThread(this.threadSettings(), {
      call: (path, call) => void this.calls.serve(this.methods.get(path)!, call),
      stray: (err) => this.logger.error({ err }, 'grpc.stray_error'),
    });
    this.thread = thread;
    thread.tellHealth(this.isServing);
    return thread.listen(this.config.host, port);
  }

  /** A thread that has ended took its connections along: clients connect again, and find another one. */
  private async keepRunning(port: number): Promise<void> {
    for (;;) {
      await this.thread?.ended;
      if (this.isClosing) return;
      this.logger.error({ restartMs: RESTART_MS }, 'grpc.thread_ended');
      await delay(RESTART_MS, undefined, { ref: false });
      if (this.isClosing) return;
      // Where it cannot listen again, the next one may.
      await this.start(port).catch(() => this.thread?.close());
    }
  }

  private pathsOf(kind: DescMethod['methodKind']): string[] {
    return [...this.methods].flatMap(([path, { descriptor }]) => (descriptor.methodKind === kind ? [path] : []));
  }

  private threadSettings(): ThreadSettings {
    const { grpcTls, maxBodyBytes, streamStallMs } = this.config;
    const descriptors = this.services.map(({ descriptor }) => descriptor);
    return {
      tls: grpcTls,
      maxBodyBytes,
      streamStallMs,
      paths: { unary: this.pathsOf('unary'), streaming: this.pathsOf('server_streaming') },
      services: descriptors.map(({ typeName }) => typeName),
      files: descriptorFiles(descriptors),
    };
  }
}

function methodsByPath(services: readonly GrpcService[]): Map<string, GrpcMethod> {
  const methods = services.flatMap((service) =>
    service.descriptor.methods.map((descriptor) => ({ service, descriptor })),
  );
  return new Map(methods.map((method) => [pathOf(method), method]));
}

function pathOf({ service, descriptor }: GrpcMethod): string {
  return `/${service.descriptor.typeName}/${descriptor.name}`;
}
