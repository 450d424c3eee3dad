import { Controller, Get, Inject, Optional, Post, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { CONFIG, type Config } from '#platform';
import { WebhookOperator } from '#tasks';
import { encodeCursor } from './admin-cursor.js';
import { AdminDoor } from './admin-door.js';
import {
  deliveriesRequest,
  deliveryParts,
  deliveryRequest,
  enableRequest,
  endpointsRequest,
  recoverRequest,
  resendRequest,
  rotateRequest,
  testRequest,
  webhookRequest,
  webhooksRequest,
} from './webhook-requests.js';

/** What operators see of webhooks and do to them, as JSON over HTTP (docs/webhooks.md). */
@Controller('admin/v1/webhooks')
export class AdminWebhooksController {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'pageSizeMax'>,
    @Inject(AdminDoor) private readonly door: AdminDoor,
    @Optional() @Inject(WebhookOperator) private readonly operator?: WebhookOperator,
  ) {}

  @Get()
  list(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { filter, list, limit, after } = webhooksRequest(request, this.config);
      const { items, next } = await operator.list(filter, limit, after);
      return { webhooks: items, nextCursor: next && encodeCursor(list, [next.tenantId, next.taskId, next.uid]) };
    });
  }

  @Get('endpoints')
  endpoints(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { tenantId, list, limit, after } = endpointsRequest(request, this.config);
      const { items, next } = await operator.endpoints(tenantId, limit, after);
      return { endpoints: items, nextCursor: next && encodeCursor(list, [next.tenantId, next.endpoint]) };
    });
  }

  @Get('deliveries')
  deliveries(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { filter, list, limit, after } = deliveriesRequest(request, this.config);
      const { items, next } = await operator.deliveries(filter, limit, after);
      return { deliveries: items, nextCursor: next && encodeCursor(list, deliveryParts(next)) };
    });
  }

  @Get('deliveries/:id')
  delivery(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => operator.delivery(deliveryRequest(request)));
  }

  @Get(':uid')
  show(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => operator.show(webhookRequest(request)));
  }

  /** 200 also where some of the deliveries, or all, are refused: each has its report. */
  @Post('resend')
  resend(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async ({ repair }) => {
      const { deliveries, dryRun } = resendRequest(request, this.config);
      return { results: await repair.resend(deliveries, dryRun) };
    });
  }

  @Post('recover')
  recover(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async ({ repair }) => {
      const { filter, list, options } = recoverRequest(request, this.config);
      const { items, next } = await repair.recover(filter, options);
      return { results: items, nextCursor: next && encodeCursor(list, deliveryParts(next)) };
    });
  }

  @Post('test')
  test(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async ({ repair }) => ({ delivery: await repair.test(testRequest(request)) }));
  }

  @Post('rotate')
  rotate(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async ({ repair }) => {
      const { webhook, keepMs } = rotateRequest(request);
      return repair.rotate(webhook, keepMs);
    });
  }

  @Post('enable')
  enable(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async ({ repair }) => {
      const asked = enableRequest(request);
      if ('webhook' in asked) return { text: await repair.enable(asked.webhook) };
      return { text: await repair.enableEndpoint(asked.tenantId, asked.endpoint) };
    });
  }

  private serve(
    request: FastifyRequest,
    reply: FastifyReply,
    work: (operator: WebhookOperator) => Promise<object>,
  ): Promise<void> {
    return this.door.serve({ request, reply }, this.operator, work);
  }
}
