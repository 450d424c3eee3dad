import { type DynamicModule, Global, Module } from '@nestjs/common';
import { SigningKeys } from '#access';
import { AgentRegistry } from '#agents';
import { BindingsModule, type HealthCheck } from '#bindings';
import { CONFIG, LOGGER } from '#platform';
import { TaskCallbacks, TaskOperator, type Tasks, TaskService, WebhookOperator } from '#tasks';

/** What the bindings need, for everyone in the application. */
@Global()
@Module({})
class TasksModule {
  static of(
    { agents, config, logger, service, operator, webhookOperator, callbacks }: Tasks,
    signingKeys: SigningKeys,
  ): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: config },
      { provide: LOGGER, useValue: logger },
      { provide: AgentRegistry, useValue: agents },
      { provide: TaskService, useValue: service },
      { provide: TaskOperator, useValue: operator },
      { provide: WebhookOperator, useValue: webhookOperator },
      { provide: TaskCallbacks, useValue: callbacks },
      { provide: SigningKeys, useValue: signingKeys },
    ];
    return { module: TasksModule, providers, exports: providers };
  }
}

/** The API process: the bindings over the task service. */
@Module({})
export class ServerModule {
  static of(tasks: Tasks, signingKeys: SigningKeys, checks: readonly HealthCheck[]): DynamicModule {
    return {
      module: ServerModule,
      imports: [
        TasksModule.of(tasks, signingKeys),
        BindingsModule.register({ operations: TaskService, healthChecks: { useFactory: () => checks } }),
      ],
    };
  }
}
