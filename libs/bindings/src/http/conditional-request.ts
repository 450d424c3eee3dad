import { type IncomingHttpHeaders } from 'node:http';

/** What identifies one version of a document. */
export interface Version {
  /** In quotes, as in the header, with `W/` before them where it is weak. */
  readonly etag: string;
  /** Whole seconds, as HTTP can say them. */
  readonly lastModified: Date;
}

/**
 * Whether a GET or HEAD may be answered with 304 (RFC 9110, section 13): `If-None-Match` (a list, weak comparison, or `*`)
 * decides; `If-Modified-Since` only where that is absent.
 */
export function isNotModified(headers: IncomingHttpHeaders, { etag, lastModified }: Version): boolean {
  const known = headers['if-none-match'];
  if (known !== undefined)
    return known.trim() === '*' || opaqueTags(known).some((tag) => opaqueTags(etag).includes(tag));
  const since = headers['if-modified-since'];
  return since !== undefined && lastModified.getTime() <= Date.parse(since);
}

/** The tags of a list without their `W/`: weak comparison does not look at it. */
function opaqueTags(list: string): string[] {
  return list.match(/"[^"]*"/g) ?? [];
}
