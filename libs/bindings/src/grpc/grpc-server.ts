import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as Listener, type Socket } from 'node:net';
import { type ConnectionInjector, Server } from '@grpc/grpc-js';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { CONFIG, type Config } from '#platform';
import { GrpcAddress } from './grpc-address.js';
import { GrpcCalls } from './grpc-calls.js';
import { serverCredentials } from './grpc-credentials.js';
import { GrpcHealth } from './grpc-health.js';
import { addReflection } from './grpc-reflection.js';
import { GRPC_SERVICES, type GrpcService } from './grpc-service.js';
import { handlersOf, serviceDefinition } from './service-definition.js';

/** Streams of one connection at once; a client that wants more opens another connection. */
const MAX_STREAMS_PER_CONNECTION = 1_000;
/** A connection is asked for a sign of life so often, and closed where none comes. */
const KEEPALIVE_TIME_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
/** A connection without a call is closed after this long; its client opens another one with its next call. */
const MAX_CONNECTION_IDLE_MS = 30 * 60_000;
/** At a stop everything has been answered; how long slow readers may take to take it. */
const CLOSE_MS = 2_000;

/**
 * The gRPC server: all services, health and reflection, on HOST and GRPC_PORT. A request is bounded by PERDURE_MAX_BODY,
 * streams by PERDURE_MAX_STREAMS; metadata by the limits of Node's HTTP/2, which also ends connections that flood it with pings
 * or resets.
 */
@Injectable()
export class GrpcServer implements OnModuleDestroy {
  private readonly sockets = new Set<Socket>();
  private listener: Listener | undefined;
  private connections: ConnectionInjector | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(GrpcCalls) private readonly calls: GrpcCalls,
    @Inject(GrpcHealth) private readonly health: GrpcHealth,
    @Inject(GrpcAddress) private readonly address: GrpcAddress,
    @Inject(GRPC_SERVICES) private readonly services: readonly GrpcService[],
  ) {}

  /** Listens, unless gRPC is off. Rejects with the error of `listen` where the address cannot be used. */
  async listen(): Promise<void> {
    const { host, grpcPort } = this.config;
    if (grpcPort === undefined) return;
    const connections = (await this.assembled()).createConnectionInjector(serverCredentials(this.config));
    this.connections = connections;
    // A listener of our own tells why it cannot listen, and what connects to it can be ended for certain.
    this.listener = createServer({ noDelay: true }, (socket) => {
      this.sockets.add(socket.once('close', () => this.sockets.delete(socket)));
      connections.injectConnection(socket);
    });
    this.listener.listen(grpcPort, host);
    await once(this.listener, 'listening');
    this.address.listensOn((this.listener.address() as AddressInfo).port);
  }

  /** Closes every connection when its client has taken what was written, or soon. */
  async onModuleDestroy(): Promise<void> {
    this.health.stop();
    if (!this.listener?.listening) return;
    const closed = once(this.listener, 'close');
    this.listener.close();
    this.connections?.destroy();
    const patience = setTimeout(() => this.sockets.forEach((socket) => socket.destroy()), CLOSE_MS);
    await closed;
    clearTimeout(patience);
  }

  private async assembled(): Promise<Server> {
    const server = new Server({
      'grpc.max_receive_message_length': this.config.maxBodyBytes,
      'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_connection_idle_ms': MAX_CONNECTION_IDLE_MS,
      // Statistics for a service that is not served.
      'grpc.enable_channelz': 0,
    });
    for (const service of this.services) {
      server.addService(serviceDefinition(service.descriptor), handlersOf(service, this.calls));
    }
    const descriptors = this.services.map(({ descriptor }) => descriptor);
    await this.health.addTo(server, descriptors);
    addReflection(server, descriptors);
    return server;
  }
}
