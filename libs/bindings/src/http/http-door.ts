import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CONFIG, type Config } from '#platform';
import { SERVED_ROUTES } from '../httpjson/served-routes.js';
import { answerFormat as resourceFormat } from '../httpjson/httpjson-response.js';
import { answerFormat as envelopeFormat } from '../jsonrpc/jsonrpc-response.js';
import { type CallWeight, LARGE_BODY_BYTES, LoadGate, weightOf } from '../load-gate.js';
import { type AnswerFormat, HttpCalls } from './http-calls.js';
import { type Verb } from './http-route.js';
import { readBody } from './request-body.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Bytes of its body that count as held: those of a large one. */
    heldBytes: number;
  }
}

/** What a route's config says to the door. */
export interface DoorConfig {
  /** The binding that the route belongs to, if any. */
  readonly binding?: string;
  /** Nothing is ever refused here. */
  readonly isAlwaysOpen?: boolean;
  /** The setting that bounds its bodies, where that is not `maxBodyBytes`. */
  readonly bodyBound?: keyof BodyBounds;
}

type BodyBounds = Pick<Config, 'maxBodyBytes' | 'maxCallbackBytes'>;

/** Where requests over HTTP come in: the gate is asked before a body is read, and the body is read within its bounds. */
@Injectable()
export class HttpDoor implements OnModuleInit {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(LoadGate) private readonly gate: LoadGate,
    @Inject(HttpCalls) private readonly calls: HttpCalls,
    @Inject(CONFIG) private readonly config: BodyBounds,
  ) {}

  onModuleInit(): void {
    const server = this.host.httpAdapter.getInstance<FastifyInstance>();
    server.decorateRequest('heldBytes', 0);
    server.addHook('onRequest', (request, reply, done) => (this.refuses(request, reply) ? undefined : done()));
    server.addContentTypeParser('*', (request, payload, done) => this.read(request, payload, done));
  }

  /** Answers where the request has to be refused. */
  private refuses(request: FastifyRequest, reply: FastifyReply): boolean {
    const { isAlwaysOpen } = doorConfig(request);
    if (isAlwaysOpen) return false;
    const bytes = announcedBytes(request);
    const error = this.gate.refusal(weightOfRequest(request, bytes), bytes);
    if (error) this.calls.refuse({ request, reply, format: formatOf(request), where: {} }, error);
    else if (bytes >= LARGE_BODY_BYTES) reply.raw.once('close', () => this.gate.hold(-request.heldBytes));
    return error !== undefined;
  }

  private read(
    request: FastifyRequest,
    payload: FastifyRequest['raw'],
    done: (error: Error | null, body?: Buffer) => void,
  ): void {
    const isLarge = announcedBytes(request) >= LARGE_BODY_BYTES;
    const take = (bytes: number) => {
      if (!isLarge) return undefined;
      request.heldBytes += bytes;
      return this.gate.hold(bytes);
    };
    const { bodyBound = 'maxBodyBytes' } = doorConfig(request);
    const limits = { maxBytes: this.config[bodyBound], announcedBytes: contentLength(request), take };
    readBody(payload, limits, done);
  }
}

/** JSON-RPC says in the body what it asks: what is not short brings a message, and of short ones the method is asked later. */
function weightOfRequest(request: FastifyRequest, bytes: number): CallWeight {
  const { binding } = doorConfig(request);
  if (binding === 'JSONRPC') return bytes >= LARGE_BODY_BYTES ? 'work' : 'look';
  const isSend = binding === 'HTTP+JSON' && request.method === 'POST';
  return isSend ? weightOf(SERVED_ROUTES.at('POST', request.routeOptions.url!).method.name) : 'look';
}

function formatOf(request: FastifyRequest): AnswerFormat {
  const { binding } = doorConfig(request);
  if (binding === 'JSONRPC') return envelopeFormat(null);
  if (binding !== 'HTTP+JSON') return resourceFormat(request);
  const verb = request.method === 'HEAD' ? 'GET' : (request.method as Verb);
  return SERVED_ROUTES.at(verb, request.routeOptions.url!).format(request);
}

function doorConfig({ routeOptions }: FastifyRequest): DoorConfig {
  return routeOptions.config as DoorConfig;
}

/** The size of the body as far as it is known; one that comes without a length counts as large. */
function announcedBytes(request: FastifyRequest): number {
  const length = contentLength(request);
  if (!Number.isNaN(length)) return length;
  return request.headers['transfer-encoding'] === undefined ? 0 : LARGE_BODY_BYTES;
}

function contentLength({ headers }: FastifyRequest): number {
  return Number(headers['content-length']);
}
