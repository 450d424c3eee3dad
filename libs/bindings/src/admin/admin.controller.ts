import { Controller, Get, Inject, Optional, Post, Req, Res } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { CONFIG, type Config } from '#platform';
import { type OperatorAction, placeText, TaskOperator } from '#tasks';
import { encodeCursor } from './admin-cursor.js';
import { AdminDoor } from './admin-door.js';
import { actionRequest, eventsRequest, journalRequest, listRequest, taskRequest } from './admin-requests.js';

/** What operators see of tasks and do to them, as JSON over HTTP (docs/operating.md). */
@Controller('admin/v1/tasks')
export class AdminController {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'pageSizeMax'>,
    @Inject(AdminDoor) private readonly door: AdminDoor,
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

  private serve(
    request: FastifyRequest,
    reply: FastifyReply,
    work: (operator: TaskOperator) => Promise<object>,
  ): Promise<void> {
    return this.door.serve({ request, reply }, this.operator, work);
  }
}
