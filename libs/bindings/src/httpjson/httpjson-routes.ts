import { type DescField, type DescMethod, getOption } from '@bufbuild/protobuf';
import { A2AService, httpRule } from '#protocol';

/** The HTTP verbs that A2A uses. */
export type Verb = 'GET' | 'POST' | 'DELETE';

/** One way to ask for an operation over HTTP. */
export interface HttpJsonRoute {
  readonly method: DescMethod;
  readonly verb: Verb;
  /** Below a base, in Fastify's spelling: `/tasks/:id(.+)::cancel`. */
  readonly path: string;
  /** The fields of the request that the path carries; its parameters have their names in the proto. */
  readonly pathFields: readonly DescField[];
  /** Whether the other fields come in the body; else they are query parameters. */
  readonly hasBody: boolean;
}

/** A field that the path carries, as annotations write it. */
const VARIABLE = /\{(\w+)=\*\}/g;

/** Where the routes begin: the default agent, each agent, and each for one tenant. */
const BASES = ['', '/agents/:agent', '/:tenant', '/agents/:agent/:tenant'];

/** The bindings of google.api.http that make a request, as `/tasks/{id=*}:cancel`. */
interface Binding {
  readonly verb: Verb;
  readonly template: string;
  readonly hasBody: boolean;
}

/**
 * SubscribeToTask has GET in the proto and POST in section 11.3 of the specification, and clients do either; some know it
 * under its older path.
 */
const ALSO: Readonly<Record<string, readonly Binding[]>> = {
  SubscribeToTask: [
    { verb: 'POST', template: '/tasks/{id=*}:subscribe', hasBody: true },
    { verb: 'GET', template: '/tasks/{id=*}/subscribe', hasBody: false },
    { verb: 'POST', template: '/tasks/{id=*}/subscribe', hasBody: true },
  ],
};

/** All routes below a base, as the methods' annotations in the proto have them; tenants come as a base. */
export const HTTP_JSON_ROUTES: readonly HttpJsonRoute[] = A2AService.methods.flatMap((method) =>
  [annotated(method), ...(ALSO[method.name] ?? [])].map((binding) => route(method, binding)),
);

const routesByUrl: ReadonlyMap<string, HttpJsonRoute> = new Map(
  BASES.flatMap((base) => HTTP_JSON_ROUTES.map((route) => [`${route.verb} ${base}${route.path}`, route] as const)),
);

/** The addresses of a verb below every base, in Fastify's spelling. */
export function urlsOf(verb: Verb): string[] {
  const paths = HTTP_JSON_ROUTES.filter((route) => route.verb === verb).map(({ path }) => path);
  return BASES.flatMap((base) => paths.map((path) => base + path));
}

/** The route behind an address of `urlsOf`. */
export function routeAt(verb: Verb, url: string): HttpJsonRoute {
  return routesByUrl.get(`${verb} ${url}`)!;
}

function annotated(method: DescMethod): Binding {
  const { pattern, body } = getOption(method, httpRule);
  return { verb: pattern.case!.toUpperCase() as Verb, template: pattern.value as string, hasBody: body === '*' };
}

function route(method: DescMethod, { verb, template, hasBody }: Binding): HttpJsonRoute {
  const names = [...template.matchAll(VARIABLE)].map(([, name]) => name);
  const pathFields = method.input.fields.filter(({ name }) => names.includes(name));
  return { method, verb, path: fastifyPath(template), pathFields, hasBody };
}

/** Only with an expression may text follow a parameter in its segment. */
function fastifyPath(template: string): string {
  return template
    .replaceAll(':', '::')
    .replaceAll(VARIABLE, ':$1')
    .replaceAll(/(:\w+)(?=::)/g, '$1(.+)');
}
