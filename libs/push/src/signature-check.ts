import { createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import { type JWK } from 'jose';
import { webhookSecretBytes } from '#platform';
import { type DeliveryEvidence, type DeliveryFinding } from './delivery-evidence.js';
import { secretSignature, signedContent, type SignedRequest } from './webhook-signature.js';

const FIELD = 'webhook-signature';
/** How far the clocks of both ends, and a request on its way, may be apart, in seconds. */
const TOLERANCE_SECONDS = 300;
/** No honest request has more signatures, and no honest sender more keys; each is work. */
const MAX_SIGNATURES = 16;
const MAX_KEYS = 64;

/** Checks the three headers of Standard Webhooks with the secrets and keys at hand. */
export function checkSignatures(evidence: DeliveryEvidence): DeliveryFinding[] {
  const { headers, body } = evidence;
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers[FIELD];
  const missing = Object.entries({ 'webhook-id': id, 'webhook-timestamp': timestamp, [FIELD]: signatures });
  const absent = missing.filter(([, value]) => !value).map(([field]) => error(field, 'is missing'));
  if (!id || !timestamp || !signatures) return absent;
  if (id.includes('.')) return [error('webhook-id', 'has a dot, which ends the id in what is signed')];
  if (!/^\d{1,15}$/.test(timestamp)) return [error('webhook-timestamp', 'is no number of seconds since 1970')];
  const request = { id, timestamp: Number(timestamp), body };
  return [
    timeFinding(request.timestamp, evidence.now ?? new Date()),
    ...signatureFindings(request, signatures, evidence),
  ];
}

function timeFinding(timestamp: number, now: Date): DeliveryFinding {
  const age = Math.round(now.getTime() / 1_000) - timestamp;
  const field = 'webhook-timestamp';
  if (Math.abs(age) <= TOLERANCE_SECONDS)
    return { level: 'ok', field, message: `is of ${Math.abs(age)} s ${age < 0 ? 'ahead' : 'ago'}` };
  const fact = age > 0 ? `${age} s old` : `${-age} s ahead of this machine's clock`;
  return error(field, `is ${fact}: more than the ${TOLERANCE_SECONDS} s that receivers allow`);
}

function signatureFindings(
  request: SignedRequest,
  header: string,
  { secrets = [], keys = [] }: DeliveryEvidence,
): DeliveryFinding[] {
  const given = header.split(' ').slice(0, MAX_SIGNATURES);
  const odd = given.find((signature) => !/^v\d[a-z]?,[A-Za-z0-9+/]+={0,2}$/.test(signature));
  if (odd !== undefined)
    return [error(FIELD, `has ${JSON.stringify(odd.slice(0, 40))}, which is no <version>,<base64>`)];
  const ed25519Keys = keys.filter(isEd25519).slice(0, MAX_KEYS);
  return [
    ...(secrets.length > 0 ? [secretFinding(request, withVersion(given, 'v1'), secrets)] : []),
    ...(ed25519Keys.length > 0 ? keyFindings(request, withVersion(given, 'v1a'), ed25519Keys) : []),
  ];
}

function withVersion(signatures: readonly string[], version: string): string[] {
  return signatures.filter((signature) => signature.startsWith(`${version},`));
}

function secretFinding(
  request: SignedRequest,
  signatures: readonly string[],
  secrets: readonly string[],
): DeliveryFinding {
  const unfit = secrets.findIndex((secret) => !webhookSecretBytes(secret));
  if (unfit >= 0) return error('secret', `${unfit + 1} is no whsec_ with 24 to 64 bytes in base64`);
  if (signatures.length === 0) return error(FIELD, 'has no v1 signature, the kind that is made with a secret');
  if (isSignedBy(request, signatures, secrets)) return { level: 'ok', field: FIELD, message: 'fits the secret (v1)' };
  const change = BODY_CHANGES.find(({ undo }) => {
    const body = undo(request.body);
    return body !== undefined && isSignedBy({ ...request, body }, signatures, secrets);
  });
  const reason =
    change?.fact ?? 'the body, the id or the timestamp is not what was signed, or the secret is another one';
  return error(FIELD, `does not fit the secret (v1): ${reason}`);
}

function isSignedBy(request: SignedRequest, signatures: readonly string[], secrets: readonly string[]): boolean {
  return secrets.some((secret) => {
    const expected = Buffer.from(secretSignature(request, secret));
    return signatures.some((signature) => {
      const found = Buffer.from(signature);
      return found.length === expected.length && timingSafeEqual(found, expected);
    });
  });
}

/** What happens to bodies before they are verified. */
const BODY_CHANGES: readonly { readonly fact: string; readonly undo: (body: Uint8Array) => Uint8Array | undefined }[] =
  [
    {
      fact: 'the body has got a line end that was not sent (save it without one)',
      undo: (body) =>
        Buffer.from(
          Buffer.from(body)
            .toString('latin1')
            .replace(/\r?\n$/, ''),
          'latin1',
        ),
    },
    {
      fact: 'the body was parsed and written again: verify the bytes as they came, before anything reads them',
      undo: (body) => {
        try {
          return Buffer.from(JSON.stringify(JSON.parse(new TextDecoder().decode(body))));
        } catch {
          return undefined;
        }
      },
    },
  ];

function keyFindings(request: SignedRequest, signatures: readonly string[], keys: readonly JWK[]): DeliveryFinding[] {
  // Keys are at hand for the token alone, too: only what asked for signatures by keys has them.
  if (signatures.length === 0) return [];
  const content = signedContent(request);
  const values = signatures.map((signature) => Buffer.from(signature.slice(signature.indexOf(',') + 1), 'base64'));
  const fitting = keys.find((key) => values.some((value) => isSignedWith(content, value, key)));
  if (!fitting) return [error(FIELD, 'fits none of the ed25519 keys (v1a)')];
  return [{ level: 'ok', field: FIELD, message: `fits the ed25519 key ${fitting.kid ?? fitting.x} (v1a)` }];
}

function isSignedWith(content: Uint8Array, signature: Uint8Array, { kty, crv, x }: JWK): boolean {
  try {
    return verify(null, content, createPublicKey({ key: { kty, crv, x }, format: 'jwk' }), signature);
  } catch {
    return false;
  }
}

function isEd25519({ kty, crv }: JWK): boolean {
  return kty === 'OKP' && crv === 'Ed25519';
}

function error(field: string, message: string): DeliveryFinding {
  return { level: 'error', field, message };
}
