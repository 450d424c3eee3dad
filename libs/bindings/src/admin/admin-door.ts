import { Inject, Injectable } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { CONFIG, type Config, LOGGER, type Logger } from '#platform';
import { A2A_ERRORS } from '#protocol';
import { WebhookNotFoundError } from '#tasks';
import { clientError } from '../client-error.js';
import { httpErrorBody } from '../http/http-error.js';
import { JSON_TYPE, UnreadableBodyError } from '../http/json-body.js';
import { OpenCalls } from '../open-calls.js';
import { assertLocalCaller, NotLocalError } from './local-caller.js';

/**
 * The way to everything below `/admin/v1`. Callers are not authenticated, so only those on the machine itself are answered.
 * Errors have the shape of google.rpc.Status, as over HTTP+JSON.
 */
@Injectable()
export class AdminDoor {
  constructor(
    @Inject(CONFIG) private readonly config: Pick<Config, 'adminApi'>,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
  ) {}

  /** Answers with what `work` makes of the request, as JSON; with 404 where there is no operator, or none is wanted. */
  async serve<Operator>(
    { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
    operator: Operator | undefined,
    work: (operator: Operator) => Promise<object>,
  ): Promise<void> {
    void reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store');
    try {
      if (!operator || !this.config.adminApi) return void reply.code(404).send(httpErrorBody(404));
      assertLocalCaller(request);
      const call = this.calls.enter('unary', request.raw.socket);
      const answer = await work(operator).finally(call.close);
      return void reply.code(200).send(JSON.stringify(answer));
    } catch (error) {
      this.refuse(request, reply, error);
    }
  }

  private refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
    if (thrown instanceof NotLocalError) {
      return void reply.code(403).send(httpErrorBody(403, thrown.message, { name: 'PERMISSION_DENIED' }));
    }
    if (thrown instanceof WebhookNotFoundError) {
      return void reply.code(404).send(httpErrorBody(404, thrown.message, { details: [NO_SUCH_WEBHOOK] }));
    }
    const where = { binding: 'admin', path: request.url.split('?', 1)[0] };
    const { error, details } = clientError(thrown, this.logger, where);
    const status = error instanceof UnreadableBodyError ? 415 : A2A_ERRORS[error.reason].http;
    const name = error.reason === 'TASK_NOT_FOUND' ? 'NOT_FOUND' : undefined;
    void reply.code(status).send(httpErrorBody(status, error.message, { name, details }));
  }
}

const NO_SUCH_WEBHOOK = {
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason: 'WEBHOOK_NOT_FOUND',
  domain: 'perdure.dev',
};
