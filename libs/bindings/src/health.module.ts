import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { HealthController } from './http/health.controller.js';
import { HttpErrorFilter } from './http/http-error.filter.js';
import { OpenCalls } from './open-calls.js';
import { HEALTH_CHECKS, type HealthCheck, Readiness } from './readiness.js';

/** `/health/live` and `/health/ready` alone, for a process that takes no calls. */
@Module({})
export class HealthModule {
  static register(checks: readonly HealthCheck[], config: Config, logger: Logger): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        { provide: HEALTH_CHECKS, useValue: checks },
        { provide: APP_FILTER, useClass: HttpErrorFilter },
        OpenCalls,
        Readiness,
      ],
      exports: [OpenCalls],
    };
  }
}
