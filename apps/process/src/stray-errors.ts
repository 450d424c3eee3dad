import { type Agent } from '#agents';
import { type Logger } from '#platform';

/**
 * Errors that nobody catches: a promise that a handler has begun and forgotten, an exception in a callback of its own
 * (a timer, an event). Neither ends the process, and all other runs with it: docs/adr/0024.
 */
export class StrayErrors {
  private agents: readonly Agent[] = [];
  private readonly onRejection = (error: unknown) => this.log(error, 'process.unhandled_rejection');
  private readonly onException = (error: unknown) => this.log(error, 'process.uncaught_exception');

  constructor(private readonly logger: Logger) {
    process.on('unhandledRejection', this.onRejection);
  }

  /** From now on handlers run here. Before, an exception means that the start has failed. */
  handlersRun(agents: readonly Agent[]): void {
    this.agents = agents;
    process.on('uncaughtException', this.onException);
  }

  async stop(): Promise<void> {
    process.off('unhandledRejection', this.onRejection);
    process.off('uncaughtException', this.onException);
  }

  private log(error: unknown, event: string): void {
    try {
      this.logger.error({ err: error, agent: this.agentIn(error) }, event);
    } catch {
      // What handlers throw may have getters that throw.
      this.logger.error({ unreadable: true }, event);
    }
  }

  /** The agent whose file the error's stack leads through; an error of a library's own callback leads through none. */
  private agentIn(error: unknown): string | undefined {
    if (!(error instanceof Error)) return undefined;
    const stack = String(error.stack);
    return this.agents.find(({ source }) => stack.includes(`${source}:`))?.id;
  }
}
