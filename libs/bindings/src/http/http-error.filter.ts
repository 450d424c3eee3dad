import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { LOGGER, type Logger } from '#platform';
import { A2AError, type A2AErrorReason, errorDetails } from '#protocol';
import { clientError } from '../client-error.js';
import { errorText } from '../jsonrpc/jsonrpc-response.js';
import { httpErrorBody, httpErrorMessage } from './http-error.js';
import { retryAfter } from './http-calls.js';
import { JSON_TYPE } from './json-body.js';
import { jsonMediaType } from './json-media-type.js';
import { BodyRefusedError } from './request-body.js';

interface HttpFault {
  readonly status: number;
  readonly message: string;
  /** What it is told as, where that is known. */
  readonly error?: A2AError;
}

/** Makes JSON of every error that HTTP, the router or the body reader finds, and of a controller's that is not a protocol error. */
@Catch()
export class HttpErrorFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    const fault = this.fault(thrown, request, reply);
    // Reading on to the end of a body that is not taken lets its sender see the answer instead of a reset connection.
    if (thrown instanceof BodyRefusedError) reply.removeHeader('connection');
    if (fault.error) reply.header('retry-after', retryAfter(fault.error));
    void reply.code(fault.status).header('content-type', contentTypeOf(request)).send(bodyOf(fault, request));
  }

  private fault(thrown: unknown, request: FastifyRequest, reply: FastifyReply): HttpFault {
    const status = statusOf(thrown);
    if (thrown instanceof BodyRefusedError && thrown.cause) {
      return { status, message: thrown.cause.message, error: thrown.cause };
    }
    if (thrown instanceof BodyRefusedError) {
      return { status, message: `The request body is larger than ${thrown.maxBytes} bytes` };
    }
    if (status === 404) return missing(request, reply);
    if (status >= 500 && status !== 503) clientError(thrown, this.logger, { binding: 'HTTP', path: pathOf(request) });
    return { status, message: httpErrorMessage(status) };
  }
}

function statusOf(thrown: unknown): number {
  if (thrown instanceof HttpException) return thrown.getStatus();
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500;
}

function missing(request: FastifyRequest, reply: FastifyReply): HttpFault {
  const allowed = request.server.routeTable.methodsAt(pathOf(request));
  const status = allowed.length > 0 && !allowed.includes(request.method) ? 405 : 404;
  if (status === 405) reply.header('allow', allowed.join(', '));
  return { status, message: httpErrorMessage(status) };
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '/';
}

function contentTypeOf(request: FastifyRequest): string {
  return bindingOf(request) === 'HTTP+JSON' ? jsonMediaType(request) : JSON_TYPE;
}

/** What a JSON-RPC client can read, on its routes; elsewhere the shape of google.rpc.Status. */
function bodyOf(fault: HttpFault, request: FastifyRequest): string {
  const { status, message, error = new A2AError(reasonOf(status), { message }) } = fault;
  const details = errorDetails(error);
  return bindingOf(request) === 'JSONRPC'
    ? errorText(null, { error, details })
    : httpErrorBody(status, message, { details });
}

/** The binding that a route belongs to, if any. */
function bindingOf({ routeOptions }: FastifyRequest): string | undefined {
  return (routeOptions.config as { binding?: string }).binding;
}

function reasonOf(status: number): A2AErrorReason {
  if (status === 415) return 'CONTENT_TYPE_NOT_SUPPORTED';
  if (status === 503) return 'UNAVAILABLE';
  return status < 500 ? 'INVALID_REQUEST' : 'INTERNAL_ERROR';
}
