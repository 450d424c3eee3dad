import { Controller, Get, Inject, Optional, Post, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { A2A_ERRORS } from '#protocol';
import { type OperatorAction, placeText, TaskOperator } from '#tasks';
import { clientError } from '../client-error.js';
import { httpErrorBody } from '../http/http-error.js';
import { JSON_TYPE, UnreadableBodyError } from '../http/json-body.js';
import { OpenCalls } from '../open-calls.js';
import { encodeCursor } from './admin-cursor.js';
import { actionRequest, eventsRequest, journalRequest, listRequest, taskRequest } from './admin-requests.js';
import { assertLocalCaller, NotLocalError } from './local-caller.js';

/**
 * What operators see and do, as JSON over HTTP (docs/operating.md). Callers are not authenticated, so only those on the
 * machine itself are answered. Errors have the shape of google.rpc.Status, as over HTTP+JSON.
 */
@Controller('admin/v1/tasks')
export class AdminController {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'adminApi' | 'pageSizeMax'>,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Optional() @Inject(TaskOperator) private readonly operator?: TaskOperator,
  ) {}

  @Get()
  list(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { filter, limit, after } = listRequest(request, this.config);
      const { items, next } = await operator.list(filter, limit, after);
      return { tasks: items, nextCursor: next && encodeCursor(filter, [next.tenantId, next.taskId]) };
    });
  }

  @Get(':id')
  show(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, (operator) => operator.show(taskRequest(request).key));
  }

  @Get(':id/events')
  events(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { key, limit, after } = eventsRequest(request, this.config);
      const { items, next } = await operator.events(key, after, limit);
      return { events: items, nextCursor: next === undefined ? undefined : encodeCursor(key, [next]) };
    });
  }

  /** The records of a turn; with `place`, one of them with its value, whatever its size. */
  @Get(':id/journal')
  journal(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { key, list, place, turn, limit, after } = journalRequest(request, this.config);
      if (place) return operator.record(key, place, turn);
      const page = await operator.journal(key, { turn, limit, after });
      const nextCursor = page.next && encodeCursor(list, [placeText(page.next)]);
      return { turn: page.turn, records: page.items, nextCursor };
    });
  }

  @Post('retry')
  retry(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.act('retry', request, reply);
  }

  @Post('redrive')
  redrive(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.act('redrive', request, reply);
  }

  @Post('reset')
  reset(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.act('reset', request, reply);
  }

  @Post('cancel')
  cancel(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.act('cancel', request, reply);
  }

  @Post('signal')
  signal(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.act('signal', request, reply);
  }

  /** 200 also where some of the tasks, or all, refused it: each has its report. */
  private act(kind: OperatorAction['kind'], request: FastifyRequest, reply: FastifyReply): Promise<void> {
    return this.serve(request, reply, async (operator) => {
      const { action, selection, dryRun } = actionRequest(kind, request, this.config);
      const { items, next } = await operator.act(action, selection, dryRun);
      const filter = 'filter' in selection ? selection.filter : {};
      return { results: items, nextCursor: next && encodeCursor({ kind, ...filter }, [next.tenantId, next.taskId]) };
    });
  }

  private async serve(
    request: FastifyRequest,
    reply: FastifyReply,
    work: (operator: TaskOperator) => Promise<object>,
  ): Promise<void> {
    void reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store');
    try {
      if (!this.operator || !this.config.adminApi) return void reply.code(404).send(httpErrorBody(404));
      assertLocalCaller(request);
      const call = this.calls.enter('unary', request.raw.socket);
      const answer = await work(this.operator).finally(call.close);
      return void reply.code(200).send(JSON.stringify(answer));
    } catch (error) {
      this.refuse(request, reply, error);
    }
  }

  private refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
    if (thrown instanceof NotLocalError) {
      return void reply.code(403).send(httpErrorBody(403, thrown.message, { name: 'PERMISSION_DENIED' }));
    }
    const where = { binding: 'admin', path: request.url.split('?', 1)[0] };
    const { error, details } = clientError(thrown, this.logger, where);
    const status = error instanceof UnreadableBodyError ? 415 : A2A_ERRORS[error.reason].http;
    const name = error.reason === 'TASK_NOT_FOUND' ? 'NOT_FOUND' : undefined;
    void reply.code(status).send(httpErrorBody(status, error.message, { name, details }));
  }
}
