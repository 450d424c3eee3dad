import { type LoggerService } from '@nestjs/common';
import { type Logger } from '#platform';

/** Nest's own messages, in our log: its warnings and errors as such, its chatter at debug level. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown): void {
    this.logger.debug({ nest: String(message) }, 'nest.log');
  }

  warn(message: unknown): void {
    this.logger.warn({ nest: String(message) }, 'nest.warn');
  }

  error(message: unknown, stack?: unknown): void {
    this.logger.error({ nest: String(message), stack }, 'nest.error');
  }
}
