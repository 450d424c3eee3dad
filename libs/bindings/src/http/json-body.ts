import { type FastifyRequest } from 'fastify';
import { A2AError } from '#protocol';
import { clipped } from '../client-error.js';

/** The media types of a JSON body; the second is A2A's own (specification section 11.1). */
export const JSON_TYPE = 'application/json';
export const A2A_JSON_TYPE = 'application/a2a+json';

/** The body has a content type that the binding does not read. A binding that speaks HTTP says so with 415. */
export class UnreadableBodyError extends A2AError {
  constructor(message: string) {
    super('CONTENT_TYPE_NOT_SUPPORTED', { message });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The JSON value of a request's body. Throws UnreadableBodyError for any other content type than `allowed`, with parameters
 * or without, and for a content encoding; A2AError PARSE_ERROR for what is not UTF-8 or not JSON.
 */
export function parseJsonBody({ headers, body }: FastifyRequest, allowed: readonly string[]): unknown {
  checkContentType(headers['content-type'], allowed);
  checkContentEncoding(headers['content-encoding']);
  let text: string;
  try {
    text = utf8.decode(body as Uint8Array | undefined);
  } catch (cause) {
    throw new A2AError('PARSE_ERROR', { message: 'The request is not valid UTF-8', cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new A2AError('PARSE_ERROR', { cause });
  }
}

/**
 * The JSON value of a body that is a resource of A2A, of either media type. An empty one says nothing, whatever type it claims:
 * `:cancel` and `:subscribe` come with one.
 */
export function resourceBody(request: FastifyRequest): unknown {
  const bytes = request.body as Uint8Array | undefined;
  return bytes === undefined || bytes.length === 0 ? {} : parseJsonBody(request, [JSON_TYPE, A2A_JSON_TYPE]);
}

/** The media type of a `Content-Type`, in lower case and without parameters; empty where there is none. */
export function mediaTypeOf(contentType: string | undefined): string {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function checkContentType(contentType: string | undefined, allowed: readonly string[]): void {
  const mediaType = mediaTypeOf(contentType);
  if (allowed.includes(mediaType)) return;
  const given = mediaType === '' ? 'absent' : clipped(mediaType);
  throw new UnreadableBodyError(`Content-Type must be ${allowed.join(' or ')}, it is ${given}`);
}

function checkContentEncoding(contentEncoding: string | undefined): void {
  if (contentEncoding === undefined || contentEncoding.trim().toLowerCase() === 'identity') return;
  throw new UnreadableBodyError('Content-Encoding is not supported');
}
