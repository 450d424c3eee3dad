import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '#platform';
import { reachable } from '../http/public-url.js';

/** Knows where gRPC is reached, as `host:port` without a scheme: what clients and agent cards want. */
@Injectable()
export class GrpcAddress {
  private port: number | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'host' | 'publicUrl' | 'grpcPort' | 'grpcPublicUrl'>,
  ) {}

  /** Told by the server once it listens: with GRPC_PORT=0 nobody knows the port before. */
  listensOn(port: number): void {
    this.port = port;
  }

  /** Where this process listens; undefined where gRPC is off. */
  get local(): string | undefined {
    const { host, grpcPort } = this.config;
    return grpcPort === undefined ? undefined : `${reachable(host)}:${this.port ?? grpcPort}`;
  }

  /**
   * Where clients find it: GRPC_PUBLIC_URL, else where this process listens. Undefined where gRPC is off, and where PUBLIC_URL
   * says that clients come from elsewhere but nobody says where gRPC is there.
   */
  get target(): string | undefined {
    const { grpcPort, grpcPublicUrl, publicUrl } = this.config;
    if (grpcPort === undefined) return undefined;
    return grpcPublicUrl ?? (publicUrl === undefined ? this.local : undefined);
  }
}
