import { type DescMethod, type Message } from '@bufbuild/protobuf';
import { type FastifyRequest } from 'fastify';
import { type SupportedVersion } from '#protocol';
import { type AnswerFormat, type Dialect } from './http-calls.js';

/** Where addresses begin: the default agent, each agent, and each for one tenant; the parameters are those of a `PathAddress`. */
export const BASES = ['', '/agents/:agent', '/:tenant', '/agents/:agent/:tenant'] as const;

/** The HTTP verbs that A2A uses. */
export type Verb = 'GET' | 'POST' | 'DELETE';

/** One way to ask for a method over HTTP and JSON, in one version of A2A. */
export interface HttpRoute {
  readonly verb: Verb;
  /** Below a base, in Fastify's spelling: `/tasks/:id(.+)::cancel`. */
  readonly path: string;
  readonly version: SupportedVersion;
  readonly method: DescMethod;
  /** Reads the request message, one of `method.input`. Throws A2AError, INVALID_PARAMS with the violations' paths. */
  readonly read: (request: FastifyRequest) => Message;
  /** How the answer to a request is written. */
  readonly format: (request: FastifyRequest) => AnswerFormat;
  readonly dialect?: Dialect;
}

/** Routes, each below every base. */
export class HttpRoutes {
  private readonly byAddress: ReadonlyMap<string, HttpRoute>;

  constructor(private readonly routes: readonly HttpRoute[]) {
    this.byAddress = new Map(
      routes.flatMap((route) => BASES.map((base) => [`${route.verb} ${base}${route.path}`, route] as const)),
    );
  }

  /** The addresses of a verb, in Fastify's spelling. */
  urls(verb: Verb): string[] {
    const paths = this.routes.filter((route) => route.verb === verb).map(({ path }) => path);
    return BASES.flatMap((base) => paths.map((path) => base + path));
  }

  /** The route behind one of `urls(verb)`. */
  at(verb: Verb, url: string): HttpRoute {
    return this.byAddress.get(`${verb} ${url}`)!;
  }
}
