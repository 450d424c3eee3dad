import {
  type DynamicModule,
  type FactoryProvider,
  type InjectionToken,
  Module,
  type ModuleMetadata,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { PeerKeys } from '#access';
import { ProcessLoad } from '#platform';
import { AdminController } from './admin/admin.controller.js';
import { AdminDoor } from './admin/admin-door.js';
import { AdminWebhooksController } from './admin/admin-webhooks.controller.js';
import { CallbackController } from './callbacks/callback.controller.js';
import { A2AGrpcService03 } from './compat/grpc-service-03.js';
import { A2AGrpcService } from './grpc/a2a-grpc-service.js';
import { GrpcAddress } from './grpc/grpc-address.js';
import { GrpcCalls } from './grpc/grpc-calls.js';
import { GrpcHealth } from './grpc/grpc-health.js';
import { GrpcServer } from './grpc/grpc-server.js';
import { GRPC_SERVICES, type GrpcService } from './grpc/grpc-service.js';
import { GrpcThreadKeeper } from './grpc/grpc-thread-keeper.js';
import { AgentCardController } from './http/agent-card.controller.js';
import { AgentCards } from './http/agent-cards.js';
import { CatalogueController } from './http/catalogue.controller.js';
import { ConnectionNotice } from './http/connection-notice.js';
import { HealthController } from './http/health.controller.js';
import { HttpCalls } from './http/http-calls.js';
import { HttpDoor } from './http/http-door.js';
import { HttpErrorFilter } from './http/http-error.filter.js';
import { JwksController } from './http/jwks.controller.js';
import { PublicUrl } from './http/public-url.js';
import { RootController } from './http/root.controller.js';
import { HttpJsonController } from './httpjson/httpjson.controller.js';
import { JsonRpcController } from './jsonrpc/jsonrpc.controller.js';
import { LoadGate } from './load-gate.js';
import { OpenCalls } from './open-calls.js';
import { A2A_OPERATIONS } from './operations.js';
import { HEALTH_CHECKS, type HealthCheck, Readiness } from './readiness.js';

/** What the bindings serve, and where they find it. */
export interface BindingsOptions {
  /** Modules that provide CONFIG, LOGGER, AgentRegistry and the operations, as far as they are not global. */
  readonly imports?: ModuleMetadata['imports'];
  /** The token under which A2AOperations are provided, such as the class TaskService. */
  readonly operations: InjectionToken;
  /** Makes the checks of /health/ready, from what `inject` names. */
  readonly healthChecks: Pick<FactoryProvider<readonly HealthCheck[]>, 'inject' | 'useFactory'>;
}

/** The services on the gRPC server; what is listed here is served. */
const GRPC_SERVICE_CLASSES = [A2AGrpcService, A2AGrpcService03];

const GRPC = [
  ...GRPC_SERVICE_CLASSES,
  {
    provide: GRPC_SERVICES,
    inject: GRPC_SERVICE_CLASSES,
    useFactory: (...services: GrpcService[]) => services,
  },
  GrpcCalls,
  GrpcHealth,
  GrpcAddress,
  GrpcThreadKeeper,
  GrpcServer,
];

/** The wires of A2A: translates requests into operations and their answers back, and nothing else. */
@Module({})
export class BindingsModule {
  static register({ imports, operations, healthChecks }: BindingsOptions): DynamicModule {
    return {
      module: BindingsModule,
      imports,
      controllers: [
        JsonRpcController,
        HttpJsonController,
        AgentCardController,
        JwksController,
        CatalogueController,
        HealthController,
        AdminController,
        AdminWebhooksController,
        CallbackController,
        RootController,
      ],
      providers: [
        { provide: A2A_OPERATIONS, useExisting: operations },
        { provide: HEALTH_CHECKS, ...healthChecks },
        { provide: APP_FILTER, useClass: HttpErrorFilter },
        OpenCalls,
        AdminDoor,
        PeerKeys,
        ProcessLoad,
        LoadGate,
        HttpDoor,
        Readiness,
        ...GRPC,
        HttpCalls,
        PublicUrl,
        AgentCards,
        ConnectionNotice,
      ],
      exports: [OpenCalls, PublicUrl, GrpcServer, GrpcAddress],
    };
  }
}
