import { type FastifyRequest } from 'fastify';
import { A2A_JSON_TYPE, JSON_TYPE, mediaTypeOf } from './json-body.js';

/**
 * The media type to answer a request in: what its `Accept` names, A2A's own type first; else the type it was sent in; else
 * `application/json`, without which some clients read no error.
 */
export function jsonMediaType({ headers }: Pick<FastifyRequest, 'headers'>): string {
  const accepted = (headers.accept ?? '').split(',').filter(isWanted).map(mediaTypeOf);
  const named = [A2A_JSON_TYPE, JSON_TYPE].find((type) => accepted.includes(type));
  if (named !== undefined) return named;
  return mediaTypeOf(headers['content-type']) === A2A_JSON_TYPE ? A2A_JSON_TYPE : JSON_TYPE;
}

/** `q=0` says "not this one" (RFC 9110, section 12.4.2). */
function isWanted(range: string): boolean {
  return !/;\s*q=0(\.0*)?\s*$/i.test(range);
}
