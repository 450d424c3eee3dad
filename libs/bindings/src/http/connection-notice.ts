import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type FastifyInstance } from 'fastify';
import { OpenCalls } from '../open-calls.js';

/** Has clients leave their connections over HTTP/1.1 when the end of the server is announced; see `isLeaving`. */
@Injectable()
export class ConnectionNotice {
  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(OpenCalls) calls: OpenCalls,
  ) {
    calls.endSignal.addEventListener('abort', () => this.give(), { once: true });
  }

  private give(): void {
    this.host.httpAdapter.getInstance<FastifyInstance>().isLeaving = true;
  }
}
