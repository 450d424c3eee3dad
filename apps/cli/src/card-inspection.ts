import {
  canonicalForms,
  type CardFinding,
  type CardSignatureVerdict,
  checkCard,
  verifyCardSignatures,
} from '#protocol';
import { type AgentAddress, cardUrl } from './agent-address.js';
import { cardKeys } from './card-keys.js';
import { DocumentError, getDocument, type HttpDocument } from './http-document.js';

/** One line of an inspection: what is right, doubtful or wrong, and where. */
export interface CardCheck {
  readonly level: 'ok' | CardFinding['level'];
  readonly field: string;
  readonly message: string;
}

/**
 * Fetches the card at that address and checks all of it: how it is served, what it says, and its signatures, with the keys of
 * `jwks` (a URL or a file) or where they say. Throws a CliError for an address that is none.
 */
export async function inspectCard(address: AgentAddress, jwks?: string): Promise<CardCheck[]> {
  const url = cardUrl(address);
  const headers = { accept: 'application/json', 'a2a-version': '1.0', ...address.headers };
  try {
    const document = await getDocument(url, headers);
    if (document.status !== 200) return [error('', statusText(document))];
    const served = [ok('', `is at ${url.href}, without a redirect`), ...headerChecks(document)];
    return [...served, ...(await contentChecks(document.text, url, jwks))];
  } catch (cause) {
    if (cause instanceof DocumentError) return [error('', `cannot be fetched: ${cause.message}`)];
    throw cause;
  }
}

function statusText({ status, headers }: HttpDocument): string {
  const target = headers.get('location');
  if (status >= 300 && status < 400) {
    return `is not served but redirected (HTTP ${status}${target ? ` to ${target}` : ''}), which many clients do not follow`;
  }
  return `is not there: HTTP ${status}`;
}

function headerChecks({ headers }: HttpDocument): CardCheck[] {
  const type = headers.get('content-type') ?? 'none';
  const isJson = /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(type);
  const cacheControl = headers.get('cache-control') ?? '';
  const validator = headers.get('etag') ?? headers.get('last-modified');
  return [
    isJson
      ? ok('', `has the content type ${type}`)
      : error('', `must have the content type application/json, not ${type}`),
    /(^|[\s,])(s-)?max-age=\d+/i.test(cacheControl)
      ? ok('', `is cacheable: ${cacheControl}`)
      : warning('', 'should say with Cache-Control: max-age how long it may be cached'),
    validator === null
      ? warning('', 'should have an ETag, so that clients ask for changes only')
      : ok('', `has a validator: ${validator}`),
  ];
}

async function contentChecks(text: string, url: URL, jwks: string | undefined): Promise<CardCheck[]> {
  let card: unknown;
  try {
    card = JSON.parse(text);
  } catch (cause) {
    return [error('', `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`)];
  }
  const { dialect, findings } = checkCard(card);
  const kind = dialect === 'hybrid' ? 'A2A 1.0 and 0.3 at once (hybrid)' : `A2A ${dialect}`;
  const isSound = findings.every(({ level }) => level !== 'error');
  return [
    ok('', `is written for ${kind}`),
    ...(isSound ? [ok('', 'has all required fields, of the right types')] : []),
    ...findings,
    ...(await signatureChecks(card, url, jwks)),
  ];
}

async function signatureChecks(card: unknown, url: URL, jwks: string | undefined): Promise<CardCheck[]> {
  const { signatures } = (card ?? {}) as { signatures?: unknown };
  if (!Array.isArray(signatures) || signatures.length === 0) return [warning('', 'is not signed')];
  try {
    const verdicts = await verifyCardSignatures(card, cardKeys(url, jwks));
    return [
      ...verdicts.flatMap((verdict, index) => verdictChecks(verdict, `signatures[${index}]`, { url, jwks })),
      ...coverageChecks(card, verdicts),
    ];
  } catch {
    return [error('signatures', 'cannot be verified: the card does not read as an AgentCard of A2A 1.0')];
  }
}

function verdictChecks(
  { state, kid, alg, jku, reason }: CardSignatureVerdict,
  field: string,
  { url, jwks }: { readonly url: URL; readonly jwks: string | undefined },
): CardCheck[] {
  const key = kid === undefined ? '' : ` (kid ${kid}, ${alg})`;
  if (state === 'key-not-found') return [error(field, `cannot be verified${key}: ${reason}`)];
  if (state === 'invalid') return [error(field, `is not valid${key}: ${reason}`)];
  const isElsewhere = jwks === undefined && jku !== undefined && new URL(jku).origin !== url.origin;
  return [
    ok(field, `is valid${key}`),
    ...(isElsewhere ? [warning(field, `has its key at another origin, ${jku}: do you trust that?`)] : []),
  ];
}

/** What of the card no valid signature covers: it could be changed unnoticed. */
function coverageChecks(card: unknown, verdicts: readonly CardSignatureVerdict[]): CardCheck[] {
  const valid = new Set(verdicts.flatMap(({ form }) => form ?? []));
  if (valid.size === 0 || valid.has('received')) return [];
  if (!valid.has('protocol')) {
    return [
      warning('signatures', 'leave out empty values, as some SDKs do: the specification has required ones signed'),
    ];
  }
  const hasMore = canonicalForms(card).some(({ form }) => form === 'received');
  return hasMore ? [warning('signatures', 'cover what A2A 1.0 knows of the card, and nothing else in it')] : [];
}

function ok(field: string, message: string): CardCheck {
  return { level: 'ok', field, message };
}

function warning(field: string, message: string): CardCheck {
  return { level: 'warning', field, message };
}

function error(field: string, message: string): CardCheck {
  return { level: 'error', field, message };
}
