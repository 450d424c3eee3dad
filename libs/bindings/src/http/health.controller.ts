import { Controller, Get, Inject, Res } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { LOGGER, type Logger } from '#platform';
import { OpenCalls } from '../open-calls.js';

/** Injection token of `readonly HealthCheck[]`: what must work for this process to serve. */
export const HEALTH_CHECKS = Symbol('perdure.health-checks');

/** One thing that must work; `check` throws when it does not. */
export interface HealthCheck {
  readonly name: string;
  check(): Promise<void>;
}

const CHECK_TIMEOUT_MS = 2_000;

/** For orchestrators and load balancers: whether the process lives, and whether to send it work. */
@Controller('health')
export class HealthController {
  constructor(
    @Inject(HEALTH_CHECKS) private readonly checks: readonly HealthCheck[],
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get('live')
  live(@Res() reply: FastifyReply): void {
    answer(reply, 200, { status: 'ok' });
  }

  /** 200 when everything works, else 503 that names what does not; the reasons stay in the log. 503 while shutting down. */
  @Get('ready')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    if (this.calls.draining) {
      answer(reply, 503, { status: 'draining', checks: {} });
      return;
    }
    const results = await Promise.all(this.checks.map((check) => this.result(check)));
    const failed = results.includes('failed');
    const checks = Object.fromEntries(this.checks.map(({ name }, index) => [name, results[index]]));
    answer(reply, failed ? 503 : 200, { status: failed ? 'unavailable' : 'ok', checks });
  }

  private async result(check: HealthCheck): Promise<'ok' | 'failed'> {
    try {
      await withinTimeout(check.check());
      return 'ok';
    } catch (err) {
      this.logger.warn({ check: check.name, err }, 'health.check.failed');
      return 'failed';
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

function answer(reply: FastifyReply, status: number, body: object): void {
  void reply.code(status).header('cache-control', 'no-store').send(body);
}
