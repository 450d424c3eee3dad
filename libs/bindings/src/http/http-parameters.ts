import { type FastifyRequest } from 'fastify';
import { type ServiceParameters } from '../service-parameters.js';

/** The service parameters of an HTTP request: its headers. One that is repeated counts as one comma separated value. */
export function headerParameters({ headers }: FastifyRequest): ServiceParameters {
  return (name) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
}

/** The A2A version that a request asks for, by its `A2A-Version` header, else by its query (`?A2A-Version=1.0`). */
export function requestedVersion(request: FastifyRequest): string | undefined {
  const header = headerParameters(request)('a2a-version');
  if (header !== undefined && header.trim() !== '') return header;
  const query = (request.query as Record<string, string | string[] | undefined>)['A2A-Version'];
  return Array.isArray(query) ? query.join(', ') : query;
}
