import { fetch, type Headers, type Response } from 'undici';
import { connectionReason } from './call-error.js';

/** A document as it was served, whatever the status. */
export interface HttpDocument {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const TIMEOUT_MS = 15_000;
/** No card and no JWK set of an honest server is larger. */
const MAX_BYTES = 1024 * 1024;

/** There is no document; the message says in words why. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
}

/** Gets a document without following redirects. Rejects with a {@link DocumentError}. */
export async function getDocument(url: URL, headers: Readonly<Record<string, string>> = {}): Promise<HttpDocument> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { headers, redirect: 'manual', signal });
    return { status: response.status, headers: response.headers, text: await textOf(response) };
  } catch (error) {
    throw new DocumentError(`no document from ${url.href}: ${reasonOf(error)}`, { cause: error });
  }
}

/** The text of a document. Rejects where it is larger than 1 MB, and where it is not UTF-8. */
export async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.length;
    if (size > MAX_BYTES) throw new Error('it is larger than 1 MB');
    chunks.push(bytes);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}

function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1_000} s`;
  if (error instanceof TypeError && 'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
    return 'it is not UTF-8';
  }
  return connectionReason(error);
}
