import { type AddressInfo, isIPv6 } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { CONFIG, type Config } from '#platform';

/** Knows the base URL that clients use: PUBLIC_URL, else the address the server listens on. */
@Injectable()
export class PublicUrl {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'host' | 'port' | 'publicUrl'>,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** The base URL without a slash at its end. With PORT=0 the port is known only once the server listens. */
  get base(): string {
    return this.config.publicUrl?.replace(/\/+$/, '') ?? `http://${reachable(this.config.host)}:${this.port}`;
  }

  private get port(): number {
    const server = this.host.httpAdapter.getHttpServer() as { address(): AddressInfo | string | null };
    const address = server.address();
    return typeof address === 'object' && address ? address.port : this.config.port;
  }
}

/** A host to connect to: nobody can connect to "all addresses". */
export function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return isIPv6(host) ? `[${host}]` : host;
}
