import { type FastifyRequest } from 'fastify';
import { type ServiceParameters } from '../service-parameters.js';

const EXTENSIONS = 'a2a-extensions';
/** The name of the same header in 0.3. */
const OLDER_EXTENSIONS = 'x-a2a-extensions';

/** The service parameters of an HTTP request: its headers. One that is repeated counts as one comma separated value. */
export function headerParameters(request: FastifyRequest): ServiceParameters {
  return (name) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
}

/** The answer's header that says which extensions are active, by the name that the request used; none where there are none. */
export function extensionsHeader(request: FastifyRequest, extensions: readonly string[]): Record<string, string> {
  return extensions.length > 0 ? { [nameOfExtensions(request)]: extensions.join(', ') } : {};
}

function nameOfExtensions({ headers }: FastifyRequest): string {
  return headers[EXTENSIONS] === undefined && headers[OLDER_EXTENSIONS] !== undefined ? OLDER_EXTENSIONS : EXTENSIONS;
}

/** The A2A version that a request asks for, by its `A2A-Version` header, else by its query (`?A2A-Version=1.0`). */
export function requestedVersion(request: FastifyRequest): string | undefined {
  const header = headerParameters(request)('a2a-version');
  if (header !== undefined && header.trim() !== '') return header;
  const query = (request.query as Record<string, string | string[] | undefined>)['A2A-Version'];
  return Array.isArray(query) ? query.join(', ') : query;
}
