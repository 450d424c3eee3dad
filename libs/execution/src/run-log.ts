import { type AgentLog } from '#agents';
import { type Logger } from '#platform';

/** The log of one run: every line carries its task. Most runs write none, so the child logger is made by the first one. */
export class RunLog implements AgentLog {
  private child: Logger | undefined;

  constructor(
    private readonly logger: Logger,
    private readonly fields: object,
  ) {}

  info(fields: object | string, message?: string): void {
    this.line('info', fields, message);
  }

  warn(fields: object | string, message?: string): void {
    this.line('warn', fields, message);
  }

  error(fields: object | string, message?: string): void {
    this.line('error', fields, message);
  }

  private line(level: 'info' | 'warn' | 'error', fields: object | string, message?: string): void {
    this.child ??= this.logger.child(this.fields);
    try {
      this.child[level](fields as object, message);
    } catch {
      // What handlers log and throw may have getters that throw.
      this.child[level]({ unreadable: true }, message);
    }
  }
}
