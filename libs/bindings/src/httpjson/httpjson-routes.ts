import { type DescMethod, getOption } from '@bufbuild/protobuf';
import { A2AService, httpRule } from '#protocol';
import { type HttpRoute, type Verb } from '../http/http-route.js';
import { readRequest, type RequestLayout } from './httpjson-request.js';
import { answerFormat } from './httpjson-response.js';

/** One way to ask for an operation of 1.0. */
export type HttpJsonRoute = HttpRoute & RequestLayout;

/** A field that the path carries, as annotations write it. */
const VARIABLE = /\{(\w+)=\*\}/g;

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

function annotated(method: DescMethod): Binding {
  const { pattern, body } = getOption(method, httpRule);
  return { verb: pattern.case!.toUpperCase() as Verb, template: pattern.value as string, hasBody: body === '*' };
}

function route(method: DescMethod, { verb, template, hasBody }: Binding): HttpJsonRoute {
  const names = [...template.matchAll(VARIABLE)].map(([, name]) => name);
  const layout = { method, pathFields: method.input.fields.filter(({ name }) => names.includes(name)), hasBody };
  const read: HttpRoute['read'] = (request) => readRequest(layout, request);
  return { ...layout, verb, path: fastifyPath(template), version: '1.0', read, format: answerFormat };
}

/** Only with an expression may text follow a parameter in its segment. */
function fastifyPath(template: string): string {
  return template
    .replaceAll(':', '::')
    .replaceAll(VARIABLE, ':$1')
    .replaceAll(/(:\w+)(?=::)/g, '$1(.+)');
}
