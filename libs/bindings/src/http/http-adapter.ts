import { type ServerResponse } from 'node:http';
import { type Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Config } from '#platform';
import { httpErrorBody } from './http-error.js';
import { RouteTable } from './route-table.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route of the server. */
    routeTable: RouteTable;
    /** Whether clients should open another connection for their next call: every answer says `Connection: close`. */
    isLeaving: boolean;
  }
}

/** Headers come in one go from any honest client; a body may have a slow line to cross. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than the idle timeout of common proxies (60 s), so that they and not we close a connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Room for a percent-encoded routing key. */
const MAX_PARAM_LENGTH = 512;

/**
 * The HTTP server with all its settings, for `NestFactory.create(module, createHttpAdapter(config), { bodyParser: false })`.
 * Bodies of every content type reach the controllers as bytes; errors that HTTP itself makes are JSON.
 */
export function createHttpAdapter(config: Pick<Config, 'maxConnections' | 'streamStallMs'>): FastifyAdapter {
  const adapter = new FastifyAdapter({
    // A stream would hold `close()` for ever; OpenCalls ends them properly before that.
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 5_000 },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
    rewriteUrl: withPlainColons,
    frameworkErrors: refuseUnroutable,
    clientErrorHandler: refuseMalformed,
  });
  const server = adapter.getInstance<FastifyInstance>();
  // HttpDoor reads bodies, of every content type.
  server.removeAllContentTypeParsers();
  server.server.maxConnections = config.maxConnections;
  listRoutes(server);
  server.decorate('isLeaving', false);
  beforeAnswers(server, config.streamStallMs);
  return adapter;
}

/** A colon in a path comes before a verb (`/message:send`), and some clients encode it. Bytes of the query stay as they are. */
function withPlainColons({ url = '/' }: { url?: string }): string {
  return url.includes('%3') ? url.replace(/^[^?]*/, (path) => path.replaceAll(/%3a/gi, ':')) : url;
}

function listRoutes(server: FastifyInstance): void {
  const routes = new RouteTable();
  server.decorate('routeTable', routes);
  server.addHook('onRoute', ({ method, url }) => routes.add(method, url));
}

/** An answer that its reader does not take is memory: after this long without progress the connection is closed. */
function beforeAnswers(server: FastifyInstance, streamStallMs: number): void {
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (server.isLeaving) reply.header('connection', 'close');
    reply.raw.setTimeout(streamStallMs, () => reply.raw.destroy());
    done();
  });
  // Every call in flight listens for the end of its connection, and a client may pipeline many.
  server.server.on('connection', (socket) => socket.setMaxListeners(0));
}

/** Answers what no route could be looked for: a malformed escape in the URL (400), a segment too long (414). */
function refuseUnroutable({ statusCode = 400 }: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  void reply.code(statusCode).header('content-type', 'application/json').send(httpErrorBody(statusCode));
}

const MALFORMED_STATUS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/** Answers what is not HTTP, or comes too slowly. There is no request yet, so the answer is written by hand. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  // In the middle of an answer another one would only garble it.
  const current = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage;
  if (socket.writable && !current?.headersSent) {
    const status = MALFORMED_STATUS[error.code ?? ''] ?? '400 Bad Request';
    const body = httpErrorBody(Number.parseInt(status, 10));
    const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    socket.write(`${head}\r\n\r\n${body}`);
  }
  socket.destroy(error);
}
