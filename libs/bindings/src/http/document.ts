import { createHash } from 'node:crypto';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { isNotModified, type Version } from './conditional-request.js';

/** A public JSON document that anyone may cache. */
export interface Document extends Version {
  readonly body: string;
}

/** How a document is served. */
export interface DocumentPolicy {
  readonly contentType: string;
  /** How long it is fresh, in seconds. */
  readonly maxAgeSeconds: number;
  /** The request header on which it depends, if any. */
  readonly vary?: string;
}

/** The document of that text. `since` is when it became what it is; of less than a second nothing can be said in HTTP. */
export function documentOf(body: string, since: Date): Document {
  return { body, etag: `"${digest(body)}"`, lastModified: wholeSeconds(since) };
}

/** The hash of a text, for an ETag. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** The time as HTTP says it. */
export function wholeSeconds(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1_000) * 1_000);
}

/** Sends the document, or 304 to who has it; readable from any web page. */
export function sendDocument(
  request: FastifyRequest,
  reply: FastifyReply,
  document: Document,
  { contentType, maxAgeSeconds, vary }: DocumentPolicy,
): void {
  void reply.headers({
    'access-control-allow-origin': '*',
    'cache-control': `public, max-age=${maxAgeSeconds}`,
    etag: document.etag,
    'last-modified': document.lastModified.toUTCString(),
    ...(vary === undefined ? {} : { vary }),
  });
  if (isNotModified(request.headers, document)) void reply.code(304).send();
  else void reply.header('content-type', contentType).send(document.body);
}

/** Answers a browser that asks first whether a page may send headers of its own, such as `A2A-Version`. */
export function allowFromAnywhere(reply: FastifyReply): void {
  void reply
    .code(204)
    .headers({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-headers': '*',
      'access-control-max-age': '86400',
    })
    .send();
}
