import { type IncomingHttpHeaders } from 'node:http';
import { Controller, Inject, Optional, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { PeerKeys } from '#access';
import { LOGGER, type Logger } from '#platform';
import { A2A_ERRORS } from '#protocol';
import { CALLBACK_PATH, TaskCallbacks } from '#tasks';
import { clientError } from '../client-error.js';
import { retryAfter } from '../http/http-calls.js';
import { type DoorConfig } from '../http/http-door.js';
import { httpErrorBody } from '../http/http-error.js';
import { A2A_JSON_TYPE, JSON_TYPE, parseJsonBody, UnreadableBodyError } from '../http/json-body.js';
import { OpenCalls } from '../open-calls.js';
import { readNotice } from './callback-notice.js';
import { isSignedBy, type SignedCall } from './callback-sender.js';

const BOUND: DoorConfig = { bodyBound: 'maxCallbackBytes' };
/** The second is what the Go SDK sends. */
const TOKEN_HEADERS = ['x-a2a-notification-token', 'a2a-notification-token'] as const;

/** Why a call is not taken: 404 whatever is wrong with token, delegation or task, 401 where the signature is. */
type Refusal = 401 | 404;

/**
 * Where agents elsewhere tell of the tasks that were delegated to them (docs/adr/0039). Whoever does not know the token is
 * refused before anything is looked up. 204 says that nothing more is wanted, also of a delegation that is over.
 */
@Controller(CALLBACK_PATH)
export class CallbackController {
  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(OpenCalls) private readonly calls: OpenCalls,
    @Inject(PeerKeys) private readonly keys: PeerKeys,
    @Optional() @Inject(TaskCallbacks) private readonly callbacks?: TaskCallbacks,
  ) {}

  @Post(':id')
  @RouteConfig(BOUND)
  async take(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { id } = request.params as { id: string };
    const { callbacks } = this;
    try {
      if (!callbacks || !isInvited(callbacks, id, request.headers)) return refuse(reply, 404);
      const call = this.calls.enter('unary', request.raw.socket);
      const refusal = await this.refusalOf(callbacks, id, request).finally(call.close);
      if (refusal === undefined) return void reply.code(204).send();
      this.logger.warn({ delegation: id, status: refusal }, 'callback.refused');
      refuse(reply, refusal);
    } catch (error) {
      this.fail(reply, error);
    }
  }

  private async refusalOf(callbacks: TaskCallbacks, id: string, request: FastifyRequest): Promise<Refusal | undefined> {
    const notice = readNotice(parseJsonBody(request, [JSON_TYPE, A2A_JSON_TYPE]));
    const expected = await callbacks.find(id);
    if (!expected) return 404;
    if (!expected.isOpen) return undefined;
    const { peerTask, jwks } = expected;
    if (peerTask !== null && peerTask !== notice.taskId) return 404;
    const { url } = callbacks.address(id)!;
    if (jwks !== null && !(await this.isSigned(request, jwks, { url, taskId: notice.taskId }))) return 401;
    await callbacks.heard(expected, notice.isNews);
    return undefined;
  }

  private async isSigned(
    { headers, body }: FastifyRequest,
    jwks: string,
    names: Pick<SignedCall, 'url' | 'taskId'>,
  ): Promise<boolean> {
    const jwt = bearerOf(headers.authorization);
    return jwt !== undefined && isSignedBy(this.keys.at(jwks), jwt, { ...names, body: body as Buffer });
  }

  private fail(reply: FastifyReply, thrown: unknown): void {
    const { error, details } = clientError(thrown, this.logger, { binding: 'callbacks' });
    const status = error instanceof UnreadableBodyError ? 415 : A2A_ERRORS[error.reason].http;
    const wait = retryAfter(error);
    if (wait !== undefined) void reply.header('retry-after', wait);
    void reply
      .code(status)
      .header('content-type', JSON_TYPE)
      .send(httpErrorBody(status, error.message, { details }));
  }
}

function isInvited(callbacks: TaskCallbacks, id: string, headers: IncomingHttpHeaders): boolean {
  const given = [...TOKEN_HEADERS.map((name) => headers[name]), bearerOf(headers.authorization)];
  return given.some((token) => typeof token === 'string' && callbacks.admits(id, token));
}

function refuse(reply: FastifyReply, status: Refusal): void {
  const body =
    status === 404 ? httpErrorBody(404) : httpErrorBody(401, 'Not authenticated', { name: 'UNAUTHENTICATED' });
  void reply.code(status).header('content-type', JSON_TYPE).send(body);
}

/** What follows `Bearer` (RFC 6750, section 2.1). */
function bearerOf(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}
