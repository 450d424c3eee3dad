import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '#platform';
import { OpenCalls } from './open-calls.js';

/** Injection token of `readonly HealthCheck[]`: what must work for this process to serve. */
export const HEALTH_CHECKS = Symbol('perdure.health-checks');

/** One thing that must work; `check` throws when it does not. */
export interface HealthCheck {
  readonly name: string;
  /** Calls can be served without it, if slower. */
  readonly optional?: boolean;
  check(): Promise<void>;
}

/** Whether to send this process work, and what became of each check; no checks are made while it shuts down. */
export interface ReadinessReport {
  readonly status: 'ok' | 'unavailable' | 'draining';
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** `degraded`: it does not work, and can be done without. */
type CheckResult = 'ok' | 'degraded' | 'failed';

const CHECK_TIMEOUT_MS = 2_000;

/** Knows whether this process can serve, for the health services of all bindings. */
@Injectable()
export class Readiness {
  private readonly failing = new Set<HealthCheck>();

  constructor(
    @Inject(HEALTH_CHECKS) private readonly checks: readonly HealthCheck[],
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Checks everything, within two seconds. Says what does not work; the reasons stay in the log. */
  async report(): Promise<ReadinessReport> {
    if (this.calls.endSignal.aborted) return { status: 'draining', checks: {} };
    const results = await Promise.all(this.checks.map((check) => this.result(check)));
    const checks = Object.fromEntries(this.checks.map(({ name }, index) => [name, results[index]!]));
    return { status: results.includes('failed') ? 'unavailable' : 'ok', checks };
  }

  private async result(check: HealthCheck): Promise<CheckResult> {
    try {
      await withinTimeout(check.check());
      this.failing.delete(check);
      return 'ok';
    } catch (err) {
      // Whoever asks asks often.
      if (!this.failing.has(check)) this.logger.warn({ check: check.name, err }, 'health.check.failed');
      this.failing.add(check);
      return check.optional ? 'degraded' : 'failed';
    }
  }
}

async function withinTimeout(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
