import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AgentRegistry } from '#agents';
import { BindingsModule, type HealthCheck } from '#bindings';
import { CONFIG, LOGGER } from '#platform';
import { SigningKeys, type Tasks, TaskService } from '#tasks';

/** What the bindings need, for everyone in the application. */
@Global()
@Module({})
class TasksModule {
  static of({ agents, config, logger, service, signingKeys }: Tasks): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: config },
      { provide: LOGGER, useValue: logger },
      { provide: AgentRegistry, useValue: agents },
      { provide: TaskService, useValue: service },
      { provide: SigningKeys, useValue: signingKeys },
    ];
    return { module: TasksModule, providers, exports: providers };
  }
}

/** The API process: the bindings over the task service. */
@Module({})
export class ServerModule {
  static of(tasks: Tasks, checks: readonly HealthCheck[]): DynamicModule {
    return {
      module: ServerModule,
      imports: [
        TasksModule.of(tasks),
        BindingsModule.register({ operations: TaskService, healthChecks: { useFactory: () => checks } }),
      ],
    };
  }
}
