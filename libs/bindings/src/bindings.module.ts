import {
  type DynamicModule,
  type FactoryProvider,
  type InjectionToken,
  Module,
  type ModuleMetadata,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { AgentCardController } from './http/agent-card.controller.js';
import { AgentCards } from './http/agent-cards.js';
import { HEALTH_CHECKS, type HealthCheck, HealthController } from './http/health.controller.js';
import { HttpErrorFilter } from './http/http-error.filter.js';
import { PublicUrl } from './http/public-url.js';
import { RootController } from './http/root.controller.js';
import { JsonRpcController } from './jsonrpc/jsonrpc.controller.js';
import { OpenCalls } from './open-calls.js';
import { A2A_OPERATIONS } from './operations.js';

/** What the bindings serve, and where they find it. */
export interface BindingsOptions {
  /** Modules that provide CONFIG, LOGGER, AgentRegistry and the operations, as far as they are not global. */
  readonly imports?: ModuleMetadata['imports'];
  /** The token under which A2AOperations are provided, such as the class TaskService. */
  readonly operations: InjectionToken;
  /** Makes the checks of /health/ready, from what `inject` names. */
  readonly healthChecks: Pick<FactoryProvider<readonly HealthCheck[]>, 'inject' | 'useFactory'>;
}

/** The wires of A2A: translates requests into operations and their answers back, and nothing else. */
@Module({})
export class BindingsModule {
  static register({ imports, operations, healthChecks }: BindingsOptions): DynamicModule {
    return {
      module: BindingsModule,
      imports,
      controllers: [JsonRpcController, AgentCardController, HealthController, RootController],
      providers: [
        { provide: A2A_OPERATIONS, useExisting: operations },
        { provide: HEALTH_CHECKS, ...healthChecks },
        { provide: APP_FILTER, useClass: HttpErrorFilter },
        OpenCalls,
        PublicUrl,
        AgentCards,
      ],
      exports: [OpenCalls, PublicUrl],
    };
  }
}
