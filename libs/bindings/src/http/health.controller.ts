import { Controller, Get, Inject, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply } from 'fastify';
import { Readiness } from '../readiness.js';
import { type DoorConfig } from './http-door.js';

/** Whoever asks in an overload has to hear that the process lives. */
const ALWAYS: DoorConfig = { isAlwaysOpen: true };

/** For orchestrators and load balancers: whether the process lives, and whether to send it work. */
@Controller('health')
export class HealthController {
  constructor(@Inject(Readiness) private readonly readiness: Readiness) {}

  @Get('live')
  @RouteConfig(ALWAYS)
  live(@Res() reply: FastifyReply): void {
    answer(reply, 200, { status: 'ok' });
  }

  /** 200 when everything works, else 503 that names what does not; the reasons stay in the log. 503 while shutting down. */
  @Get('ready')
  @RouteConfig(ALWAYS)
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const report = await this.readiness.report();
    answer(reply, report.status === 'ok' ? 200 : 503, report);
  }
}

function answer(reply: FastifyReply, status: number, body: object): void {
  void reply.code(status).header('cache-control', 'no-store').send(body);
}
